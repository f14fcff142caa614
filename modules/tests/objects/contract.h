/* What the loader reads, with the names of our headers but without them: vermagic, parameters, exports. */
#define MODULE_INFO(id, text) \
	static const char id[] __attribute__((used, aligned(1), section(".modinfo"))) = text

struct record {
	const char *name;
	unsigned type;
	void *variable;
	unsigned bytes;
	unsigned *count;
};
#define PARAM(id, type, bytes, count) \
	static const char name_##id[] = #id; \
	static const struct record record_##id __attribute__((used, aligned(4), section("__param"))) = \
		{ name_##id, type, &id, bytes, count }

struct export {
	unsigned long value;
	const char *name;
};
#define EXPORT(id) \
	static const char string_##id[] = #id; \
	static const struct export export_##id __attribute__((used, aligned(4), section("__ksymtab"))) = \
		{ (unsigned long)&id, string_##id }

#define __init __attribute__((section(".init.text"), cold))
#define __initdata __attribute__((section(".init.data")))
#define __exit __attribute__((section(".exit.text"), cold))
#define noinline __attribute__((noinline))
