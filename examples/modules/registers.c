/* Registers of a device are no memory: they get an address by ioremap, and are accessed one by one.
 *
 * Every PrimeCell, as the serial port PL011 is one, says at the end of its page who it is: a byte in each of eight
 * words (ARM DDI 0183, 3.3.14 and after). */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/init.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sizes.h>

/* Where QEMU's machine `virt` has its PL011. */
static unsigned long address = 0x09000000;
module_param(address, ulong, 0444);
MODULE_PARM_DESC(address, "physical address of a PrimeCell's registers");

#define PERIPHERAL_ID 0xfe0
#define CELL_ID 0xff0

static u32 four_bytes(const void __iomem *first)
{
	u32 value = 0;
	int i;

	for (i = 0; i < 4; i++)
		value |= (readl(first + 4 * i) & 0xff) << (8 * i);
	return value;
}

static int __init registers_init(void)
{
	void __iomem *registers = ioremap(address, SZ_4K);
	u32 peripheral, cell;

	if (!registers)
		return -ENOMEM;
	peripheral = four_bytes(registers + PERIPHERAL_ID);
	cell = four_bytes(registers + CELL_ID);
	pr_info("%08lx is mapped at %px: part %03x, cell %08x%s\n", address, registers,
		peripheral & 0xfff, cell, cell == 0xb105f00d ? ", a PrimeCell" : "");
	iounmap(registers);
	return cell == 0xb105f00d ? 0 : -ENODEV;
}

static void __exit registers_exit(void)
{
}

module_init(registers_init);
module_exit(registers_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The vmsplit authors");
MODULE_DESCRIPTION("Registers of the serial port");
