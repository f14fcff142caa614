/* Two kinds of memory for a device. Coherent memory is seen by both at any time, and costs the CPU its cache. Memory
 * that is handed over is cached, and belongs to one of the two at a time. */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/dma-mapping.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

/* A ring of descriptors, as network cards have them. */
struct descriptor {
	u32 address;
	u32 length;
};

#define RING_BYTES SZ_4K
#define BUFFER_BYTES SZ_2K

static struct descriptor *ring;
static dma_addr_t ring_address;
static char *buffer;

static int __init device_memory_init(void)
{
	dma_addr_t buffer_address;

	ring = dma_alloc_coherent(NULL, RING_BYTES, &ring_address, GFP_KERNEL);
	if (!ring)
		return -ENOMEM;
	buffer = kmalloc(BUFFER_BYTES, GFP_KERNEL);
	if (!buffer)
		goto no_buffer;
	strscpy(buffer, "to be sent", BUFFER_BYTES);

	/* From here to the unmapping the buffer is the device's: what the CPU has in its cache is written back. */
	buffer_address = dma_map_single(NULL, buffer, BUFFER_BYTES, DMA_TO_DEVICE);
	if (dma_mapping_error(NULL, buffer_address))
		goto no_mapping;
	ring[0].address = buffer_address;
	ring[0].length = strlen(buffer);
	pr_info("ring at %px, for the device %08x\n", ring, ring_address);
	pr_info("buffer at %px, for the device %08x, %u bytes to send\n", buffer, ring[0].address,
		ring[0].length);

	/* Ours for a look, and the device's again. */
	dma_sync_single_for_cpu(NULL, buffer_address, BUFFER_BYTES, DMA_TO_DEVICE);
	pr_info("the buffer says \"%s\"\n", buffer);
	dma_sync_single_for_device(NULL, buffer_address, BUFFER_BYTES, DMA_TO_DEVICE);

	dma_unmap_single(NULL, buffer_address, BUFFER_BYTES, DMA_TO_DEVICE);
	return 0;

no_mapping:
	kfree(buffer);
no_buffer:
	dma_free_coherent(NULL, RING_BYTES, ring, ring_address);
	return -ENOMEM;
}

static void __exit device_memory_exit(void)
{
	kfree(buffer);
	dma_free_coherent(NULL, RING_BYTES, ring, ring_address);
}

module_init(device_memory_init);
module_exit(device_memory_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The vmsplit authors");
MODULE_DESCRIPTION("Coherent memory, and memory that is handed over");
