/* Pages without an address of their own, and how they get one for a while. */
#pragma once

#include <linux/compiler.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/types.h>

/* An address in the pkmap region, or the page's own if it is lowmem. Nests. May sleep. */
void *kmap(struct page *page);
void kunmap(struct page *page);

/* An address for this CPU's code only, which must not sleep until it is given back; last one first. Any
 * context. */
void *kmap_local_page(struct page *page);
void kunmap_local(const void *address);

/* The same, by the older name. */
void *kmap_atomic(struct page *page);
void kunmap_atomic(const void *address);

/* The page behind an address of kmap's or of the linear map, or NULL. */
struct page *kmap_to_page(const void *address);
/* Ends the mappings that kmap keeps for the next one who asks. */
void kmap_flush_unused(void);

static inline void clear_highpage(struct page *page)
{
	void *address = kmap_local_page(page);

	clear_page(address);
	kunmap_local(address);
}

static inline void copy_highpage(struct page *to, struct page *from)
{
	void *source = kmap_local_page(from);
	void *target = kmap_local_page(to);

	copy_page(target, source);
	kunmap_local(target);
	kunmap_local(source);
}

static inline void memcpy_from_page(void *to, struct page *page, size_t offset, size_t bytes)
{
	char *address = kmap_local_page(page);

	memcpy(to, address + offset, bytes);
	kunmap_local(address);
}

static inline void memcpy_to_page(struct page *page, size_t offset, const void *from, size_t bytes)
{
	char *address = kmap_local_page(page);

	memcpy(address + offset, from, bytes);
	kunmap_local(address);
}
