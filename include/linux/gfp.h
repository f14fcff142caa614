/* Pages, and what a request for memory says about itself. The numbers are Linux 6.1's. What each flag means
 * here stands in the kernel's source, mm/src/zone/gfp. */
#pragma once

#include <linux/compiler.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <asm/page.h>

#define __GFP_DMA ((gfp_t)0x1u)
#define __GFP_HIGHMEM ((gfp_t)0x2u)
#define __GFP_DMA32 ((gfp_t)0x4u)
#define __GFP_MOVABLE ((gfp_t)0x8u)
#define __GFP_RECLAIMABLE ((gfp_t)0x10u)
#define __GFP_HIGH ((gfp_t)0x20u)
#define __GFP_IO ((gfp_t)0x40u)
#define __GFP_FS ((gfp_t)0x80u)
#define __GFP_ZERO ((gfp_t)0x100u)
#define __GFP_ATOMIC ((gfp_t)0x200u)
#define __GFP_DIRECT_RECLAIM ((gfp_t)0x400u)
#define __GFP_KSWAPD_RECLAIM ((gfp_t)0x800u)
#define __GFP_WRITE ((gfp_t)0x1000u)
#define __GFP_NOWARN ((gfp_t)0x2000u)
#define __GFP_RETRY_MAYFAIL ((gfp_t)0x4000u)
#define __GFP_NOFAIL ((gfp_t)0x8000u)
#define __GFP_NORETRY ((gfp_t)0x10000u)
#define __GFP_MEMALLOC ((gfp_t)0x20000u)
#define __GFP_COMP ((gfp_t)0x40000u)
#define __GFP_NOMEMALLOC ((gfp_t)0x80000u)
#define __GFP_HARDWALL ((gfp_t)0x100000u)
#define __GFP_THISNODE ((gfp_t)0x200000u)
#define __GFP_ACCOUNT ((gfp_t)0x400000u)
#define __GFP_ZEROTAGS ((gfp_t)0x800000u)
#define __GFP_SKIP_ZERO ((gfp_t)0x1000000u)
#define __GFP_SKIP_KASAN_UNPOISON ((gfp_t)0x2000000u)
#define __GFP_SKIP_KASAN_POISON ((gfp_t)0x4000000u)
#define __GFP_NOLOCKDEP ((gfp_t)0x8000000u)

#define __GFP_RECLAIM (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)

/* May sleep: init and exit functions. */
#define GFP_KERNEL (__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT (GFP_KERNEL | __GFP_ACCOUNT)
/* Does not sleep. Linux 6.1 has __GFP_ATOMIC in it too, which asks for nothing more here. */
#define GFP_ATOMIC (__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_NOWAIT __GFP_KSWAPD_RECLAIM
#define GFP_NOIO __GFP_RECLAIM
#define GFP_NOFS (__GFP_RECLAIM | __GFP_IO)
#define GFP_USER (GFP_KERNEL | __GFP_HARDWALL)
#define GFP_HIGHUSER (GFP_USER | __GFP_HIGHMEM)
#define GFP_HIGHUSER_MOVABLE (GFP_HIGHUSER | __GFP_MOVABLE)
/* A zone and nothing more: joined to one of those above. */
#define GFP_DMA __GFP_DMA
#define GFP_DMA32 __GFP_DMA32
#define GFP_TRANSHUGE_LIGHT \
	((GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOMEMALLOC | __GFP_NOWARN) & ~__GFP_RECLAIM)
#define GFP_TRANSHUGE (GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM)

/* A block is 1 << order pages, and order is less than this. */
#define MAX_ORDER 11

/* A block of pages of lowmem, by its address, or 0. `flags` without __GFP_HIGHMEM: that has no address. */
unsigned long __get_free_pages(gfp_t flags, unsigned int order);
unsigned long get_zeroed_page(gfp_t flags);
/* Frees a block by its address, with the order that it was taken with. 0 is nothing to free. */
void free_pages(unsigned long address, unsigned int order);
/* A block of pages of any zone that `flags` allow, or NULL. */
struct page *alloc_pages(gfp_t flags, unsigned int order);
void __free_pages(struct page *page, unsigned int order);

#define __get_free_page(flags) __get_free_pages((flags), 0)
#define __get_dma_pages(flags, order) __get_free_pages((flags) | GFP_DMA, (order))
#define free_page(address) free_pages((unsigned long)(address), 0)
#define alloc_page(flags) alloc_pages((flags), 0)
#define __free_page(page) __free_pages((page), 0)

static inline bool gfpflags_allow_blocking(gfp_t flags)
{
	return flags & __GFP_DIRECT_RECLAIM;
}

/* There is one node. */
static inline struct page *alloc_pages_node(int node, gfp_t flags, unsigned int order)
{
	(void)node;
	return alloc_pages(flags, order);
}
