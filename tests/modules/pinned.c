/* Counts its own uses, by parameters. */
#include <linux/init.h>
#include <linux/module.h>

static int __init pinned_init(void)
{
	return try_module_get(THIS_MODULE) ? 0 : -1;
}

static void __exit pinned_exit(void)
{
}

module_init(pinned_init);
module_exit(pinned_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Is in use from the start");
