/* Memory that a device reads and writes.
 *
 * `device` is NULL: a device that reaches 32 bits of address, and does not see the CPU's caches. */
#pragma once

#include <linux/compiler.h>
#include <linux/device.h>
#include <linux/dma-direction.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/sizes.h>
#include <linux/types.h>

#define DMA_BIT_MASK(bits) ((bits) == 64 ? ~0ULL : (1ULL << (bits)) - 1)
/* What no mapping has for its address. */
#define DMA_MAPPING_ERROR (~(dma_addr_t)0)

/* Memory that both see as it is at any time, zeroed, in whole pages; its address for the device goes to
 * `*handle`. NULL when there is none. With GFP_ATOMIC any context. */
void *dma_alloc_coherent(struct device *device, size_t bytes, dma_addr_t *handle, gfp_t flags);
void dma_free_coherent(struct device *device, size_t bytes, void *memory, dma_addr_t handle);

/* Hands kmalloc's memory or pages of lowmem over to the device, until dma_unmap_single. Its address for the
 * device: dma_mapping_error says whether it is none. Any context. */
dma_addr_t dma_map_single(struct device *device, void *memory, size_t bytes,
			  enum dma_data_direction direction);
void dma_unmap_single(struct device *device, dma_addr_t handle, size_t bytes,
		      enum dma_data_direction direction);
/* The same for part of a page, which need not have an address. */
dma_addr_t dma_map_page(struct device *device, struct page *page, size_t offset, size_t bytes,
			enum dma_data_direction direction);
void dma_unmap_page(struct device *device, dma_addr_t handle, size_t bytes,
		    enum dma_data_direction direction);
/* Hands mapped memory back and over again, in between. */
void dma_sync_single_for_cpu(struct device *device, dma_addr_t handle, size_t bytes,
			     enum dma_data_direction direction);
void dma_sync_single_for_device(struct device *device, dma_addr_t handle, size_t bytes,
				enum dma_data_direction direction);
/* 0 for an address, -ENOMEM for none. */
int dma_mapping_error(struct device *device, dma_addr_t handle);

/* The addresses that the device reaches. 0, or -EIO for a mask of less than 32 bits: all modules share the
 * device. */
int dma_set_mask(struct device *device, u64 mask);
int dma_set_coherent_mask(struct device *device, u64 mask);
int dma_set_mask_and_coherent(struct device *device, u64 mask);
