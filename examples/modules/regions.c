/* What an address says about the memory behind it.
 *
 * A page and a small object lie in the linear map: their physical address is a constant away. A million bytes
 * from vmalloc lie in the vmalloc region, above the linear map, and each page has a physical address of its own. */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#define SMALL_BYTES 100
#define LARGE_BYTES 1000000

static unsigned long page;
static unsigned char *small;
static unsigned char *large;

static void __exit regions_exit(void);

static int __init regions_init(void)
{
	page = __get_free_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	small = kmalloc(SMALL_BYTES, GFP_KERNEL);
	if (!small) {
		free_page(page);
		return -ENOMEM;
	}
	large = vmalloc(LARGE_BYTES);
	if (!large) {
		kfree(small);
		free_page(page);
		return -ENOMEM;
	}
	pr_info("one page   at %08lx, physical %08lx\n", page, (unsigned long)__pa(page));
	pr_info("kmalloc    at %px, physical %08lx, %zu bytes of it\n", small,
		(unsigned long)virt_to_phys(small), ksize(small));
	pr_info("vmalloc    at %px, %s\n", large,
		is_vmalloc_addr(large) ? "in the vmalloc region" : "not where it should be");
	pr_info("its first page is frame %lx, its last one %lx\n", vmalloc_to_pfn(large),
		vmalloc_to_pfn(large + LARGE_BYTES - 1));
	pr_info("my own code at %px, my own data at %px\n", regions_exit, &page);
	pr_info("modules     %08lx to %08lx\n", MODULES_VADDR, MODULES_END);
	pr_info("linear map  %08lx to %08lx\n", PAGE_OFFSET, (unsigned long)high_memory);
	pr_info("vmalloc     %08lx to %08lx\n", VMALLOC_START, VMALLOC_END);
	return 0;
}

static void __exit regions_exit(void)
{
	vfree(large);
	kfree(small);
	free_page(page);
}

module_init(regions_init);
module_exit(regions_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The vmsplit authors");
MODULE_DESCRIPTION("Three regions, by their addresses");
