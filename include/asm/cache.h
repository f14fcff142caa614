/* Cache lines, of the Cortex-A15 and A7. */
#pragma once

#define L1_CACHE_SHIFT 6
#define L1_CACHE_BYTES (1 << L1_CACHE_SHIFT)
#define SMP_CACHE_BYTES L1_CACHE_BYTES
/* kmalloc's memory shares no line with anybody else's, so a device can write it. */
#define ARCH_DMA_MINALIGN L1_CACHE_BYTES
#define ARCH_KMALLOC_MINALIGN ARCH_DMA_MINALIGN

#define ____cacheline_aligned __attribute__((__aligned__(SMP_CACHE_BYTES)))
