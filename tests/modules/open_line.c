/* Leaves its line open, and may fail. */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>

static int result;
module_param(result, int, 0);

static int __init open_line_init(void)
{
	printk(KERN_INFO "no newline");
	return result;
}

static void __exit open_line_exit(void)
{
	printk(KERN_INFO "none here");
}

module_init(open_line_init);
module_exit(open_line_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A line without an end");
