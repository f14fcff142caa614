/* Pools with a reserve: a request that may wait never fails. */
#pragma once

#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/types.h>

struct mempool_s;
typedef struct mempool_s mempool_t;

/* How a pool takes and gives back an element. `data` is what mempool_create was given. */
typedef void *(mempool_alloc_t)(gfp_t flags, void *data);
typedef void(mempool_free_t)(void *element, void *data);

/* A pool that holds `least` elements back. NULL when it could not have them. May sleep. */
mempool_t *mempool_create(int least, mempool_alloc_t *alloc, mempool_free_t *free, void *data);
/* Every element must have been freed. NULL is nothing to do. */
void mempool_destroy(mempool_t *pool);
/* Another number of elements to hold back. 0, or a negative error. May sleep. */
int __must_check mempool_resize(mempool_t *pool, int least);
/* An element: from the allocator if it has one, else from the reserve. */
void *mempool_alloc(mempool_t *pool, gfp_t flags) __malloc;
void mempool_free(void *element, mempool_t *pool);

/* Elements are objects of the cache `data`. */
void *mempool_alloc_slab(gfp_t flags, void *data);
void mempool_free_slab(void *element, void *data);
/* Elements are kmalloc's, of `data` bytes. */
void *mempool_kmalloc(gfp_t flags, void *data);
void mempool_kfree(void *element, void *data);
/* Elements are `struct page *`, blocks of order `data`. */
void *mempool_alloc_pages(gfp_t flags, void *data);
void mempool_free_pages(void *element, void *data);

static inline mempool_t *mempool_create_slab_pool(int least, struct kmem_cache *cache)
{
	return mempool_create(least, mempool_alloc_slab, mempool_free_slab, cache);
}

static inline mempool_t *mempool_create_kmalloc_pool(int least, size_t bytes)
{
	return mempool_create(least, mempool_kmalloc, mempool_kfree, (void *)bytes);
}

static inline mempool_t *mempool_create_page_pool(int least, int order)
{
	return mempool_create(least, mempool_alloc_pages, mempool_free_pages, (void *)(long)order);
}

/* There is one node. */
static inline mempool_t *mempool_create_node(int least, mempool_alloc_t *take, mempool_free_t *give,
					     void *data, gfp_t flags, int node)
{
	(void)flags;
	(void)node;
	return mempool_create(least, take, give, data);
}
