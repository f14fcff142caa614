/* Takes memory, gives it back, and does not want to be loaded. */
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/slab.h>

static int __init refuse_init(void)
{
	void *object = kmalloc(100, GFP_KERNEL);

	kfree(object);
	return -ENODEV;
}

module_init(refuse_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Its init function fails");
