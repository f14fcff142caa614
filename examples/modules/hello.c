/* Where a module begins and ends, and what it can be told.
 *
 *     insmod hello whom=reader times=2 pauses=1,2,3
 */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static char *whom = "world";
module_param(whom, charp, 0444);
MODULE_PARM_DESC(whom, "whom to greet");

static unsigned int times = 1;
module_param(times, uint, 0444);
MODULE_PARM_DESC(times, "how often");

static bool loud;
module_param(loud, bool, 0444);
MODULE_PARM_DESC(loud, "with an exclamation mark");

static int pauses[4];
static unsigned int pause_count;
module_param_array(pauses, int, &pause_count, 0444);
MODULE_PARM_DESC(pauses, "up to four numbers, which are only printed");

static char place[16] = "here";
module_param_string(place, place, sizeof(place), 0444);
MODULE_PARM_DESC(place, "where the greeter is, in 15 letters");

static int __init hello_init(void)
{
	unsigned int i;

	/* A negative error here, and the module is gone as if it had never been there. */
	if (times > 100)
		return -EINVAL;
	for (i = 0; i < times; i++)
		pr_info("hello, %s%s\n", whom, loud ? "!" : "");
	for (i = 0; i < pause_count; i++)
		pr_info("pauses[%u] is %d\n", i, pauses[i]);
	pr_info("I am %s, at %p\n", place, THIS_MODULE);
	return 0;
}

static void __exit hello_exit(void)
{
	pr_info("good-bye, %s\n", whom);
}

module_init(hello_init);
module_exit(hello_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The vmsplit authors");
MODULE_DESCRIPTION("Where a module begins and ends");
