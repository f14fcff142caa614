/* From one name of memory to another: page, frame number, physical address, address. */
#pragma once

#include <linux/align.h>
#include <linux/bug.h>
#include <linux/gfp.h>
#include <linux/mm_types.h>
#include <linux/pfn.h>
#include <linux/slab.h>
#include <linux/types.h>
#include <asm/memory.h>
#include <asm/page.h>

/* The address of a page of lowmem, or of one that kmap has mapped; otherwise NULL. */
void *page_address(const struct page *page);
phys_addr_t page_to_phys(const struct page *page);

/* The pages that the allocators have. */
unsigned long totalram_pages(void);

#define lowmem_page_address(page) page_address(page)
/* The page `count` pages further on in the same block. */
#define nth_page(page, count) pfn_to_page(page_to_pfn(page) + (count))

#define PAGE_ALIGN(address) ALIGN(address, PAGE_SIZE)
#define PAGE_ALIGN_DOWN(address) ALIGN_DOWN(address, PAGE_SIZE)
#define PAGE_ALIGNED(address) IS_ALIGNED((unsigned long)(address), PAGE_SIZE)
#define offset_in_page(address) ((unsigned long)(address) & ~PAGE_MASK)

/* The order of the smallest block that has so many bytes. Undefined for 0. */
static inline __attribute_const__ int get_order(unsigned long bytes)
{
	return bytes <= PAGE_SIZE ? 0 : 32 - __builtin_clz((bytes - 1) >> PAGE_SHIFT);
}

#define page_to_virt(page) page_address(page)
