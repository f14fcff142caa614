/* Does something that the kernel must not let pass, or can not: what= says which. */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>

static char *what = "null";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "null, text, rodata or data");

static const int constant = 1;
static int variable = 2;

static noinline void store(volatile unsigned int *where)
{
	*where = 0xe7f000f0;
}

static noinline void act(const char *how)
{
	if (how[0] == 'n')
		store((volatile unsigned int *)4);
	else if (how[0] == 't')
		store((volatile unsigned int *)((unsigned long)store & ~3ul));
	else if (how[0] == 'r')
		store((volatile unsigned int *)&constant);
	else if (how[0] == 'd')
		((void (*)(void))&variable)();
	barrier();
}

static int __init crash_init(void)
{
	pr_info("crash: %s\n", what);
	act(what);
	pr_info("crash: survived\n");
	return 0;
}

static void __exit crash_exit(void)
{
}

module_init(crash_init);
module_exit(crash_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Faults on purpose");
