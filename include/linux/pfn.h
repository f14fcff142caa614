/* Frame numbers and physical addresses. */
#pragma once

#include <linux/types.h>
#include <asm/page.h>

#define PFN_ALIGN(address) (((unsigned long)(address) + (PAGE_SIZE - 1)) & PAGE_MASK)
#define PFN_UP(address) (((address) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(address) ((address) >> PAGE_SHIFT)
#define PFN_PHYS(number) ((phys_addr_t)(number) << PAGE_SHIFT)
#define PHYS_PFN(address) ((unsigned long)((address) >> PAGE_SHIFT))
