/* A slab cache of one's own: objects of one kind, side by side in pages of their own.
 *
 * The constructor runs when a slab is made, once for each object in it, and not when an object is taken. So what is
 * costly to set up is set up once, as long as whoever frees an object leaves it as the constructor did. */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>

struct sample {
	struct list_head link;
	unsigned int number;
	/* Counts the lives of this place in memory, over all allocations. */
	unsigned int lives;
	char text[40];
};

static unsigned int count = 64;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "how many objects to hold");

static struct kmem_cache *cache;
static LIST_HEAD(samples);
static unsigned int constructed;

static void construct(void *object)
{
	struct sample *sample = object;

	INIT_LIST_HEAD(&sample->link);
	sample->lives = 0;
	constructed++;
}

static void free_all(void)
{
	struct sample *sample, *next;

	list_for_each_entry_safe(sample, next, &samples, link) {
		/* As the constructor left it. */
		list_del_init(&sample->link);
		kmem_cache_free(cache, sample);
	}
}

static int take(unsigned int how_many)
{
	unsigned int i;

	for (i = 0; i < how_many; i++) {
		struct sample *sample = kmem_cache_alloc(cache, GFP_KERNEL);

		if (!sample) {
			free_all();
			return -ENOMEM;
		}
		sample->number = i;
		sample->lives++;
		snprintf(sample->text, sizeof(sample->text), "sample %u of %u", i + 1, how_many);
		list_add_tail(&sample->link, &samples);
	}
	return 0;
}

static int __init slab_cache_init(void)
{
	struct sample *first, *last;
	int error;

	if (!count)
		return -EINVAL;
	cache = kmem_cache_create("samples", sizeof(struct sample), 0, SLAB_HWCACHE_ALIGN, construct);
	if (!cache)
		return -ENOMEM;
	/* Twice, to see that the second time nothing is constructed any more. */
	error = take(count);
	if (error)
		goto destroy;
	free_all();
	error = take(count);
	if (error)
		goto destroy;

	first = list_first_entry(&samples, struct sample, link);
	last = list_last_entry(&samples, struct sample, link);
	pr_info("%s: %zu bytes of data at %px, life %u\n", first->text, sizeof(*first), first,
		first->lives);
	pr_info("%s: at %px\n", last->text, last);
	pr_info("%u objects were taken, %u constructed\n", 2 * count, constructed);
	return 0;

destroy:
	kmem_cache_destroy(cache);
	return error;
}

static void __exit slab_cache_exit(void)
{
	free_all();
	kmem_cache_destroy(cache);
}

module_init(slab_cache_init);
module_exit(slab_cache_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_AUTHOR("The vmsplit authors");
MODULE_DESCRIPTION("A slab cache with a constructor");
