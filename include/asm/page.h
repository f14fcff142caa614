/* Pages of 4 KiB. */
#pragma once

#include <linux/mm_types.h>
#include <asm/memory.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

/* Whole pages, by their addresses. */
void clear_page(void *to);
void copy_page(void *to, const void *from);
