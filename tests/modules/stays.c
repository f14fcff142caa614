/* Has an init function and no exit function: it can not be taken out again. */
#include <linux/init.h>
#include <linux/module.h>

static int __init stays_init(void)
{
	return 0;
}

module_init(stays_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Has no exit function");
