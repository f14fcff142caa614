/* Registers of devices: where they are mapped, and one access to each.
 *
 * An access is a single load or store of its size. The plain forms keep the order that a driver means: what was
 * written to memory before is there when a register is written, and what a register says is read before
 * what is read after it. The _relaxed forms keep none but that of accesses to the same device. */
#pragma once

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <asm/memory.h>

/* Maps registers at a physical address, as Device memory. NULL for RAM, for 0 bytes, and when there is no
 * room. May sleep. */
void __iomem *ioremap(resource_size_t address, size_t bytes);
/* As Normal memory without cache, where writes may be joined; and with the cache. */
void __iomem *ioremap_wc(resource_size_t address, size_t bytes);
void __iomem *ioremap_cache(resource_size_t address, size_t bytes);
void iounmap(volatile void __iomem *registers);

/* Assembly, so that the compiler takes no form of the instruction that changes its base register: a hypervisor
 * could not emulate it. */
#define __raw_access(letter, type, suffix, constraint) \
	static inline type __raw_read##letter(const volatile void __iomem *address) \
	{ \
		type value; \
	\
		__asm__ volatile("ldr" suffix " %0, %1" \
				 : "=r"(value) \
				 : constraint(*(const volatile type __force *)address)); \
		return value; \
	} \
	static inline void __raw_write##letter(type value, volatile void __iomem *address) \
	{ \
		__asm__ volatile("str" suffix " %1, %0" \
				 : "=" constraint(*(volatile type __force *)address) \
				 : "r"(value)); \
	} \
	static inline type read##letter##_relaxed(const volatile void __iomem *address) \
	{ \
		return __raw_read##letter(address); \
	} \
	static inline void write##letter##_relaxed(type value, volatile void __iomem *address) \
	{ \
		__raw_write##letter(value, address); \
	} \
	static inline type read##letter(const volatile void __iomem *address) \
	{ \
		type value = __raw_read##letter(address); \
	\
		rmb(); \
		return value; \
	} \
	static inline void write##letter(type value, volatile void __iomem *address) \
	{ \
		wmb(); \
		__raw_write##letter(value, address); \
	}

__raw_access(b, u8, "b", "Qo")
/* A halfword's offset has fewer bits than `o` allows. */
__raw_access(w, u16, "h", "Q")
__raw_access(l, u32, "", "Qo")

#undef __raw_access

#define ioread8(address) readb(address)
#define ioread16(address) readw(address)
#define ioread32(address) readl(address)
#define iowrite8(value, address) writeb((value), (address))
#define iowrite16(value, address) writew((value), (address))
#define iowrite32(value, address) writel((value), (address))

/* Byte by byte: a device's memory takes no access that is not aligned. */
static inline void memcpy_fromio(void *to, const volatile void __iomem *from, size_t bytes)
{
	u8 *target = to;

	for (; bytes; bytes--)
		*target++ = __raw_readb(from++);
	rmb();
}

static inline void memcpy_toio(volatile void __iomem *to, const void *from, size_t bytes)
{
	const u8 *source = from;

	wmb();
	for (; bytes; bytes--)
		__raw_writeb(*source++, to++);
}

static inline void memset_io(volatile void __iomem *to, int byte, size_t bytes)
{
	wmb();
	for (; bytes; bytes--)
		__raw_writeb((u8)byte, to++);
}
