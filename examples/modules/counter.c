/* A module that others build on: it exports a function and a variable. While a module that uses them is there, this
 * one can not be unloaded. */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/export.h>
#include <linux/init.h>
#include <linux/module.h>

#include "counter.h"

unsigned int counter_value;
EXPORT_SYMBOL(counter_value);

unsigned int counter_next(void)
{
	return ++counter_value;
}
EXPORT_SYMBOL(counter_next);

static int __init counter_init(void)
{
	pr_info("counting from %u\n", counter_value);
	return 0;
}

static void __exit counter_exit(void)
{
	pr_info("counted to %u\n", counter_value);
}

module_init(counter_init);
module_exit(counter_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The vmsplit authors");
MODULE_DESCRIPTION("Exports a counter");
