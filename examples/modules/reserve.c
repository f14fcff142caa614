/* A mempool: some elements are held back for the time when memory is short.
 *
 * Elements come from a slab cache through two functions of our own, which refuse as often as `short_by` says. So
 * one sees the pool dip into its reserve. */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mempool.h>
#include <linux/module.h>
#include <linux/slab.h>

#define RESERVE 4
#define REQUESTS 6

struct request {
	unsigned long sector;
	unsigned char data[112];
};

static unsigned int short_by = 3;
module_param(short_by, uint, 0444);
MODULE_PARM_DESC(short_by, "how many requests find no memory, up to 4");

static struct kmem_cache *cache;
static mempool_t *pool;
static struct request *requests[REQUESTS];
static unsigned int refusals;

static void *take(gfp_t flags, void *data)
{
	if (refusals) {
		refusals--;
		return NULL;
	}
	return kmem_cache_alloc(data, flags);
}

static void give(void *element, void *data)
{
	kmem_cache_free(data, element);
}

static void free_all(void)
{
	unsigned int i;

	for (i = 0; i < REQUESTS; i++) {
		/* A pool takes no NULL that is not its own. */
		if (requests[i])
			mempool_free(requests[i], pool);
		requests[i] = NULL;
	}
}

static int __init reserve_init(void)
{
	unsigned int i;

	if (short_by > RESERVE)
		return -EINVAL;
	cache = KMEM_CACHE(request, 0);
	if (!cache)
		return -ENOMEM;
	pool = mempool_create(RESERVE, take, give, cache);
	if (!pool)
		goto no_pool;

	refusals = short_by;
	for (i = 0; i < REQUESTS; i++) {
		unsigned int before = refusals;

		/* Would fail with an empty reserve; GFP_KERNEL would wait for an element to come back. */
		requests[i] = mempool_alloc(pool, GFP_NOWAIT);
		if (!requests[i])
			goto no_request;
		requests[i]->sector = 8 * i;
		pr_info("request %u at %px, %s\n", i, requests[i],
			before == refusals ? "from the cache" : "from the reserve");
	}
	return 0;

no_request:
	free_all();
	mempool_destroy(pool);
no_pool:
	kmem_cache_destroy(cache);
	return -ENOMEM;
}

static void __exit reserve_exit(void)
{
	/* The first ones go back to the reserve, until it is full. */
	free_all();
	mempool_destroy(pool);
	kmem_cache_destroy(cache);
}

module_init(reserve_init);
module_exit(reserve_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The vmsplit authors");
MODULE_DESCRIPTION("A mempool and its reserve");
