/* Three ways to memory, each with its own way back.
 *
 * What is taken is given back in reverse: on exit, and where one of the three fails, what was taken before it. */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

/* Two pages side by side. */
#define ORDER 1

static char *from_kmalloc;
static char *from_vmalloc;
static char *from_pages;

/* A test of the ways back: 1 to 3 makes that allocation fail. */
static unsigned int fail;
module_param(fail, uint, 0444);
MODULE_PARM_DESC(fail, "which of the three allocations fails, 0 for none");

static int __init allocators_init(void)
{
	/* 1 KiB: an object of a slab, contiguous in physical memory. */
	from_kmalloc = fail == 1 ? NULL : kmalloc(SZ_1K, GFP_KERNEL);
	if (!from_kmalloc)
		goto no_kmalloc;

	/* 64 KiB: sixteen pages from anywhere, side by side in the vmalloc region only. */
	from_vmalloc = fail == 2 ? NULL : vmalloc(SZ_64K);
	if (!from_vmalloc)
		goto no_vmalloc;

	/* 8 KiB: a block of the page allocator, in the linear map. */
	from_pages = fail == 3 ? NULL : (char *)__get_free_pages(GFP_KERNEL, ORDER);
	if (!from_pages)
		goto no_pages;

	strscpy(from_kmalloc, "kmalloc was here", SZ_1K);
	strscpy(from_vmalloc, "vmalloc was here", SZ_64K);
	strscpy(from_pages, "__get_free_pages was here", PAGE_SIZE << ORDER);

	pr_info("%s: %px\n", from_kmalloc, from_kmalloc);
	pr_info("%s: %px\n", from_vmalloc, from_vmalloc);
	pr_info("%s: %px\n", from_pages, from_pages);
	return 0;

no_pages:
	vfree(from_vmalloc);
no_vmalloc:
	kfree(from_kmalloc);
no_kmalloc:
	pr_err("no memory\n");
	return -ENOMEM;
}

static void __exit allocators_exit(void)
{
	free_pages((unsigned long)from_pages, ORDER);
	vfree(from_vmalloc);
	kfree(from_kmalloc);
	pr_info("all given back\n");
}

module_init(allocators_init);
module_exit(allocators_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The vmsplit authors");
MODULE_DESCRIPTION("kmalloc, vmalloc and __get_free_pages, and their ways back");
