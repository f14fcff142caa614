/* Order of accesses: ARM ARM (DDI 0406C) A3.8.3. */
#pragma once

#include <linux/compiler.h>

#define isb() __asm__ volatile("isb" : : : "memory")
#define dsb(domain) __asm__ volatile("dsb " #domain : : : "memory")
#define dmb(domain) __asm__ volatile("dmb " #domain : : : "memory")

/* Seen by devices too. */
#define mb() dsb(sy)
#define rmb() dsb(sy)
#define wmb() dsb(st)
#define dma_rmb() dmb(osh)
#define dma_wmb() dmb(oshst)

/* Seen by the other CPUs. */
#define smp_mb() dmb(ish)
#define smp_rmb() dmb(ish)
#define smp_wmb() dmb(ishst)
