/* A parameter of each type, printed. */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

static bool flag;
static unsigned char small;
static short tiny = -1;
static unsigned short counted;
static int number = 7;
static unsigned int amount;
static long far_off;
static unsigned long address;
static char *name = "none";
static char text[8];
static int list[4];
static unsigned int listed;

module_param(flag, bool, 0);
module_param(small, byte, 0);
module_param(tiny, short, 0);
module_param(counted, ushort, 0);
module_param(number, int, 0);
module_param(amount, uint, 0);
module_param(far_off, long, 0);
module_param(address, ulong, 0);
module_param(name, charp, 0);
module_param_string(text, text, sizeof(text), 0);
module_param_array(list, int, &listed, 0);
MODULE_PARM_DESC(number, "any number");

static int __init params_init(void)
{
	pr_info("params: flag=%d small=%u tiny=%d counted=%u number=%d amount=%u\n",
		flag, small, tiny, counted, number, amount);
	pr_info("params: far_off=%ld address=%#lx name=\"%s\" text=\"%s\"\n",
		far_off, address, name, text);
	pr_info("params: %u in list: %d %d %d %d\n", listed, list[0], list[1], list[2], list[3]);
	return 0;
}

static void __exit params_exit(void)
{
	pr_info("params: name is still \"%s\"\n", name);
}

module_init(params_init);
module_exit(params_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A parameter of each type");
