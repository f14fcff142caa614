/* A module that uses another's symbols: `counter` must be there first, and stays as long as this one does. */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>

#include "counter.h"

static int __init counter_user_init(void)
{
	unsigned int first = counter_next();
	unsigned int second = counter_next();

	/* 64-bit division is the kernel's too, by a name that the compiler knows. */
	pr_info("%u, then %u; ten to the twelfth by that is %llu\n", first, second,
		1000000000000ULL / counter_value);
	return 0;
}

static void __exit counter_user_exit(void)
{
	pr_info("%u at last\n", counter_next());
}

module_init(counter_user_init);
module_exit(counter_user_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The vmsplit authors");
MODULE_DESCRIPTION("Uses what counter exports");
