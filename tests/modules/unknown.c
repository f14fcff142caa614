/* Calls two functions that nobody has. */
#include <linux/init.h>
#include <linux/module.h>

extern int nobody_has_this(int);
extern int nor_this(int);

static int __init unknown_init(void)
{
	return nobody_has_this(1) + nor_this(2);
}

module_init(unknown_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Two symbols that do not exist");
