/* Does sums with a fraction: compiled for VFP registers it must be refused. */
#include <linux/init.h>
#include <linux/module.h>

static volatile double sum = 1.5;

static int __init floating_init(void)
{
	sum = sum * 2.5;
	return 0;
}

module_init(floating_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Uses the floating-point registers");
