/* Forgets its cache, whose constructor is the module's own. */
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

static struct kmem_cache *cache;

static void fill(void *object)
{
	memset(object, 0x5a, 100);
}

static int __init leaves_cache_init(void)
{
	cache = kmem_cache_create("left_behind", 100, 0, 0, fill);
	return cache ? 0 : -ENOMEM;
}

static void __exit leaves_cache_exit(void)
{
}

module_init(leaves_cache_init);
module_exit(leaves_cache_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Goes without its cache");
