/* Memory in whole pages that lie side by side in the vmalloc region, and anywhere in physical memory. */
#pragma once

#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/types.h>
#include <asm/pgtable.h>

/* `flags` of vmap. They say whose area it is, and change nothing. */
#define VM_IOREMAP 0x1
#define VM_ALLOC 0x2
#define VM_MAP 0x4

/* May sleep. NULL when there is no memory, or no room in the region. */
void *vmalloc(unsigned long bytes) __malloc;
void *vzalloc(unsigned long bytes) __malloc;
/* By flags, which say what its pages are. */
void *__vmalloc(unsigned long bytes, gfp_t flags) __malloc;
/* NULL is nothing to free. */
void vfree(const void *memory);

/* Maps `count` pages side by side, with the rights and the kind of memory that `prot` says: see
 * <asm/pgtable.h>. NULL when there is no room. May sleep. */
void *vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot);
/* Ends the mapping; the pages stay their owner's. */
void vunmap(const void *memory);

/* The page at an address of the region, or NULL; its frame number, or 0. */
struct page *vmalloc_to_page(const void *memory);
unsigned long vmalloc_to_pfn(const void *memory);
/* Is this an address of the region? */
bool is_vmalloc_addr(const void *address);

static inline void *vmalloc_array(size_t count, size_t bytes)
{
	return vmalloc(size_mul(count, bytes));
}

static inline void *vcalloc(size_t count, size_t bytes)
{
	return vzalloc(size_mul(count, bytes));
}

/* There is one node. */
static inline void *vmalloc_node(unsigned long bytes, int node)
{
	(void)node;
	return vmalloc(bytes);
}

static inline void *vzalloc_node(unsigned long bytes, int node)
{
	(void)node;
	return vzalloc(bytes);
}
