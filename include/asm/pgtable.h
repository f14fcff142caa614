/* What a mapping means: the kind of memory in bits 0 and 1, what the kernel may do there in bits 4 and 5.
 * There is no way to say writable and executable. The numbers are ours: Linux keeps the bits of a page
 * table's entry here.
 *
 * vmap takes write-back memory only: lowmem is mapped so already, and a page must not be mapped as two kinds of
 * memory (ARM DDI 0406C, A3.5.7). It gives NULL for the others. */
#pragma once

/* The vmalloc region: it begins where the linear map and a gap end, as memory and the command line have it. */
unsigned long vmsplit_vmalloc_start(void);
unsigned long vmsplit_vmalloc_end(void);
#define VMALLOC_START vmsplit_vmalloc_start()
#define VMALLOC_END vmsplit_vmalloc_end()

typedef unsigned int pgprot_t;

#define __PGPROT_MEMORY 0x3u
#define __PGPROT_WRITE_BACK 0x0u
#define __PGPROT_WRITE_COMBINE 0x1u
#define __PGPROT_DEVICE 0x2u
#define __PGPROT_STRONGLY_ORDERED 0x3u

#define __PGPROT_READ_WRITE 0x00u
#define __PGPROT_READ 0x10u
#define __PGPROT_READ_EXECUTE 0x20u

#define PAGE_KERNEL ((pgprot_t)(__PGPROT_WRITE_BACK | __PGPROT_READ_WRITE))
#define PAGE_KERNEL_RO ((pgprot_t)(__PGPROT_WRITE_BACK | __PGPROT_READ))
#define PAGE_KERNEL_ROX ((pgprot_t)(__PGPROT_WRITE_BACK | __PGPROT_READ_EXECUTE))

#define __pgprot_memory(prot, memory) (((prot) & ~__PGPROT_MEMORY) | (memory))
#define pgprot_writecombine(prot) __pgprot_memory(prot, __PGPROT_WRITE_COMBINE)
#define pgprot_device(prot) __pgprot_memory(prot, __PGPROT_DEVICE)
#define pgprot_noncached(prot) __pgprot_memory(prot, __PGPROT_STRONGLY_ORDERED)
