/* The linear map: lowmem at a constant distance from its physical addresses.
 *
 * The distance, and where the kernel's half begins, are a choice of the kernel's build (3G, 3G_OPT, 2G, 1G).
 * One object is for all four, so these are functions here, and none of them is a constant. */
#pragma once

#include <linux/mm_types.h>
#include <linux/types.h>

/* Where the linear map begins and ends. */
unsigned long vmsplit_page_offset(void);
unsigned long vmsplit_lowmem_end(void);
#define PAGE_OFFSET vmsplit_page_offset()
#define high_memory ((void *)vmsplit_lowmem_end())

/* Below it: 14 MiB for modules, 2 MiB for kmap. */
#define MODULES_VADDR (PAGE_OFFSET - 0x1000000UL)
#define MODULES_END PKMAP_BASE
#define PKMAP_BASE (PAGE_OFFSET - 0x200000UL)

/* Lowmem only: the address of a kmalloc'ed object or of a page's own. */
phys_addr_t virt_to_phys(const volatile void *address);
void *phys_to_virt(phys_addr_t address);

struct page *virt_to_page(const void *address);
unsigned long page_to_pfn(const struct page *page);
struct page *pfn_to_page(unsigned long number);
/* Is there RAM behind a frame number? Is it an address of lowmem? */
bool pfn_valid(unsigned long number);
bool virt_addr_valid(const void *address);

/* These take an address as a number too, as it comes from __get_free_pages. */
#define virt_to_page(address) (virt_to_page)((const void *)(unsigned long)(address))
#define virt_addr_valid(address) (virt_addr_valid)((const void *)(unsigned long)(address))
#define virt_to_head_page(address) virt_to_page(address)
#define __pa(address) virt_to_phys((const volatile void *)(unsigned long)(address))
#define __va(address) phys_to_virt((phys_addr_t)(address))
#define virt_to_pfn(address) (__pa(address) >> 12)
#define pfn_to_kaddr(number) __va((phys_addr_t)(number) << 12)
