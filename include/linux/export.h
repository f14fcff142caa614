/* Names that other modules may use. */
#pragma once

#include <linux/compiler.h>

/* A record of the section `__ksymtab`: 8 bytes. */
struct kernel_symbol {
	unsigned long value;
	const char *name;
};

#define EXPORT_SYMBOL(symbol) \
	extern __typeof__(symbol) symbol; \
	static const char __kstrtab_##symbol[] = #symbol; \
	static const struct kernel_symbol __used __aligned(4) __section("__ksymtab") \
		__ksymtab_##symbol = { (unsigned long)&symbol, __kstrtab_##symbol }

/* The same: a module says its licence, and the kernel holds nothing back. */
#define EXPORT_SYMBOL_GPL(symbol) EXPORT_SYMBOL(symbol)
#define EXPORT_SYMBOL_NS(symbol, space) EXPORT_SYMBOL(symbol)
#define EXPORT_SYMBOL_NS_GPL(symbol, space) EXPORT_SYMBOL(symbol)
