/* Takes nearly all of the modules region. */
#include <linux/init.h>
#include <linux/module.h>

/* Not static, so that the compiler can not know that nobody reads it. */
char block[13 << 20];

static int __init large_init(void)
{
	block[sizeof(block) - 1] = 1;
	return 0;
}

static void __exit large_exit(void)
{
	block[0] = 0;
}

module_init(large_init);
module_exit(large_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("13 MiB of data");
