/* A page without an address: where there is more memory than the linear map holds, the rest is HighMem, and the
 * kernel maps a page of it when it wants to look at it. */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>

static struct page *page;

static int __init highmem_page_init(void)
{
	const char *seen;
	char *address;
	int same;

	page = alloc_page(GFP_HIGHUSER);
	if (!page)
		return -ENOMEM;
	pr_info("frame %lx, physical %08lx: %s\n", page_to_pfn(page), (unsigned long)page_to_phys(page),
		page_address(page) ? "lowmem, with an address" : "HighMem, no address");

	/* For as long as one likes: one of the few slots of the pkmap region. */
	address = kmap(page);
	strscpy(address, "written through kmap", PAGE_SIZE);
	pr_info("kmap:            %px\n", address);
	kunmap(page);

	/* For a moment on this CPU: a slot of the fixmap. The text is still there, at another address. */
	seen = kmap_local_page(page);
	same = strcmp(seen, "written through kmap") == 0;
	pr_info("kmap_local_page: %px, %s\n", seen, same ? "the same page" : "another page!");
	kunmap_local(seen);
	if (!same) {
		__free_page(page);
		return -EIO;
	}
	return 0;
}

static void __exit highmem_page_exit(void)
{
	__free_page(page);
}

module_init(highmem_page_init);
module_exit(highmem_page_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The vmsplit authors");
MODULE_DESCRIPTION("A page of HighMem, mapped for a while");
