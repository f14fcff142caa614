/* A module with something of everything: both areas, all parts, parameters of each type, exports, symbols of
 * others near and weak, pointers in data, a common variable, an unwind index. */
#include "contract.h"

MODULE_INFO(info_1, "license=MIT");
MODULE_INFO(info_2, "vermagic=vmsplit 1 ARMv7");
MODULE_INFO(info_3, "parmtype=number:int");
MODULE_INFO(info_4, "parm=number:how many");
MODULE_INFO(info_5, "parmtype=list:array of int");
MODULE_INFO(info_6, "description=a sample");

extern int printk(const char *format, ...);
extern void *kmalloc(unsigned bytes, unsigned flags);
extern void kfree(const void *object);
extern int optional(int) __attribute__((weak));
extern int jiffies;

int common_counter;
static int number = 5;
static _Bool truth, inverse = 1;
static unsigned char byte;
static short small;
static unsigned short unsigned_small;
static unsigned unsigned_number;
static long number_2;
static unsigned long unsigned_number_2;
static char *text = "default";
static char buffer[8];
static int list[4] = { 1, 2, 3, 4 };
static unsigned list_count;
static char *words[3];
static void *object;

PARAM(truth, 0, 1, 0);
PARAM(byte, 1, 1, 0);
PARAM(small, 2, 2, 0);
PARAM(unsigned_small, 3, 2, 0);
PARAM(number, 4, 4, 0);
PARAM(unsigned_number, 5, 4, 0);
PARAM(number_2, 6, 4, 0);
PARAM(unsigned_number_2, 7, 4, 0);
PARAM(text, 8, 4, 0);
PARAM(buffer, 9, sizeof(buffer), 0);
PARAM(inverse, 10, 1, 0);
PARAM(list, 0x104, sizeof(list), &list_count);
PARAM(words, 0x108, sizeof(words), 0);

int sample_value = 42;
int sample_add(int a, int b);
EXPORT(sample_value);
EXPORT(sample_add);

noinline int sample_add(int a, int b)
{
	printk("%s: %d %d\n", text, a, b);
	return a + b + jiffies;
}

static int twice(int a)
{
	return 2 * a;
}

int (*const table[2])(int) = { twice, 0 };
static int (*changing[2])(int) = { optional, twice };

static noinline int choose(unsigned what)
{
	switch (what) {
	case 0: return sample_add(number, 1);
	case 1: return printk("one\n");
	case 2: return changing[unsigned_number & 1](3);
	case 3: return kmalloc(4, 0) != 0;
	case 4: return table[0](what) + common_counter++;
	default: return optional ? optional(1) : -1;
	}
}

static int start __attribute__((section(".init.data"))) = 3;

static __init int sample_init(void)
{
	object = kmalloc(100, 0xcc0);
	printk("sample: %p %d\n", object, byte + small + unsigned_small + truth + inverse);
	return choose(start) + buffer[0] + number_2 + unsigned_number_2 + words[0][0];
}
int init_module(void) __attribute__((alias("sample_init")));

static __exit void sample_exit(void)
{
	kfree(object);
	choose(list[0]);
}
void cleanup_module(void) __attribute__((alias("sample_exit")));
