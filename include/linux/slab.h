/* Objects: by size (kmalloc), or of a cache of one's own. */
#pragma once

#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/cache.h>

/* Flags of a cache, with the numbers of Linux 6.1. */
#define SLAB_CONSISTENCY_CHECKS ((slab_flags_t)0x100u)
#define SLAB_RED_ZONE ((slab_flags_t)0x400u)
#define SLAB_POISON ((slab_flags_t)0x800u)
#define SLAB_HWCACHE_ALIGN ((slab_flags_t)0x2000u)
#define SLAB_CACHE_DMA ((slab_flags_t)0x4000u)
#define SLAB_STORE_USER ((slab_flags_t)0x10000u)
#define SLAB_RECLAIM_ACCOUNT ((slab_flags_t)0x20000u)
#define SLAB_PANIC ((slab_flags_t)0x40000u)
/* Refused: there is no RCU. */
#define SLAB_TYPESAFE_BY_RCU ((slab_flags_t)0x80000u)
#define SLAB_TRACE ((slab_flags_t)0x200000u)
#define SLAB_NO_MERGE ((slab_flags_t)0x1000000u)
#define SLAB_FAILSLAB ((slab_flags_t)0x2000000u)
/* There are no cgroups to charge, and no nodes to spread over. */
#define SLAB_ACCOUNT ((slab_flags_t)0)
#define SLAB_MEM_SPREAD ((slab_flags_t)0)
#define SLAB_TEMPORARY SLAB_RECLAIM_ACCOUNT

/* What kmalloc(0) gives: no NULL, nothing to read there, and kfree takes it. */
#define ZERO_SIZE_PTR ((void *)16)
#define ZERO_OR_NULL_PTR(pointer) ((unsigned long)(pointer) <= (unsigned long)ZERO_SIZE_PTR)

#define KMALLOC_MIN_SIZE ARCH_KMALLOC_MINALIGN
#define KMALLOC_MAX_SIZE (PAGE_SIZE << (MAX_ORDER - 1))
/* More comes from the page allocator. */
#define KMALLOC_MAX_CACHE_SIZE (PAGE_SIZE << 1)

/* Memory without a gap in physical memory, aligned to ARCH_KMALLOC_MINALIGN, and to its size if that is a
 * power of 2. NULL when there is none. */
void *kmalloc(size_t bytes, gfp_t flags) __malloc;
void *kzalloc(size_t bytes, gfp_t flags) __malloc;
/* `count` objects of `bytes` bytes side by side; NULL where the product has more than 32 bits. */
void *kmalloc_array(size_t count, size_t bytes, gfp_t flags) __malloc;
void *kcalloc(size_t count, size_t bytes, gfp_t flags) __malloc;
/* As C's realloc. On failure `object` is as it was. */
void *__must_check krealloc(const void *object, size_t bytes, gfp_t flags);
/* NULL is nothing to free. */
void kfree(const void *object);
/* Leaves nothing behind that somebody could read. */
void kfree_sensitive(const void *object);
/* The bytes that an object really has. */
size_t ksize(const void *object);

/* kmalloc, or vmalloc where that has nothing or it is too much. */
void *kvmalloc(size_t bytes, gfp_t flags) __malloc;
void *kvzalloc(size_t bytes, gfp_t flags) __malloc;
void kvfree(const void *memory);

static inline void *__must_check krealloc_array(void *object, size_t count, size_t bytes, gfp_t flags)
{
	return krealloc(object, size_mul(count, bytes), flags);
}

static inline void *kvmalloc_array(size_t count, size_t bytes, gfp_t flags)
{
	return kvmalloc(size_mul(count, bytes), flags);
}

static inline void *kvcalloc(size_t count, size_t bytes, gfp_t flags)
{
	return kvzalloc(size_mul(count, bytes), flags);
}

struct kmem_cache;

/* A cache of objects of `bytes` bytes, aligned to `align`, 0 for whatever fits. `constructor`, if not NULL, is
 * called once for each object when its slab is made, not for each allocation: what is freed must be as it
 * left it. NULL when there is no memory, or an argument makes no sense. May sleep. */
struct kmem_cache *kmem_cache_create(const char *name, unsigned int bytes, unsigned int align,
				     slab_flags_t flags, void (*constructor)(void *));
/* Every object must have been freed. NULL is nothing to do. May sleep. */
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t flags) __malloc;
void *kmem_cache_zalloc(struct kmem_cache *cache, gfp_t flags) __malloc;
void kmem_cache_free(struct kmem_cache *cache, void *object);
/* Gives slabs without objects back. 0 when none is left. */
int kmem_cache_shrink(struct kmem_cache *cache);
unsigned int kmem_cache_size(struct kmem_cache *cache);

/* A cache for objects of a structure, by its name, alignment and size. */
#define KMEM_CACHE(structure, flags) \
	kmem_cache_create(#structure, sizeof(struct structure), __alignof__(struct structure), \
			  (flags), NULL)

/* There is one node. */
static inline void *kmalloc_node(size_t bytes, gfp_t flags, int node)
{
	(void)node;
	return kmalloc(bytes, flags);
}

static inline void *kzalloc_node(size_t bytes, gfp_t flags, int node)
{
	(void)node;
	return kzalloc(bytes, flags);
}

static inline void *kvmalloc_node(size_t bytes, gfp_t flags, int node)
{
	(void)node;
	return kvmalloc(bytes, flags);
}

static inline void *kmem_cache_alloc_node(struct kmem_cache *cache, gfp_t flags, int node)
{
	(void)node;
	return kmem_cache_alloc(cache, flags);
}

/* No user mode copies from objects: `offset` and `bytes` are not looked at. */
static inline struct kmem_cache *kmem_cache_create_usercopy(const char *name, unsigned int size,
							    unsigned int align, slab_flags_t flags,
							    unsigned int offset, unsigned int bytes,
							    void (*ctor)(void *))
{
	(void)offset;
	(void)bytes;
	return kmem_cache_create(name, size, align, flags, ctor);
}
