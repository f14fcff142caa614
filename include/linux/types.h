/* Numbers of known width, and the kernel's names for kinds of numbers.
 *
 * A pointer, a long and a size_t have 32 bits, and so has a physical address: there is no LPAE. */
#pragma once

#include <linux/stddef.h>

typedef _Bool bool;

typedef signed char s8;
typedef unsigned char u8;
typedef short s16;
typedef unsigned short u16;
typedef int s32;
typedef unsigned int u32;
typedef long long s64;
typedef unsigned long long u64;

typedef s8 __s8;
typedef u8 __u8;
typedef s16 __s16;
typedef u16 __u16;
typedef s32 __s32;
typedef u32 __u32;
typedef s64 __s64;
typedef u64 __u64;

typedef s8 int8_t;
typedef u8 uint8_t;
typedef s16 int16_t;
typedef u16 uint16_t;
typedef s32 int32_t;
typedef u32 uint32_t;
typedef s64 int64_t;
typedef u64 uint64_t;

/* Of one byte order by declaration only: no tool checks it here. */
typedef u16 __le16;
typedef u32 __le32;
typedef u64 __le64;
typedef u16 __be16;
typedef u32 __be32;
typedef u64 __be64;

typedef __SIZE_TYPE__ size_t;
typedef int ssize_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef unsigned long uintptr_t;
typedef long long loff_t;
typedef long off_t;
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

/* An address on the CPU's bus, and one as a device puts it on the bus. */
typedef u32 phys_addr_t;
typedef phys_addr_t resource_size_t;
typedef u32 dma_addr_t;

/* Flags of a request for memory (<linux/gfp.h>) and of a slab cache (<linux/slab.h>). */
typedef unsigned int gfp_t;
typedef unsigned int slab_flags_t;

typedef struct {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next, *prev;
};

#define true 1
#define false 0
