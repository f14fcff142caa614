/* A module: what it is, where it begins and ends, and what keeps it. */
#pragma once

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include <linux/types.h>

/* The kernel that these headers describe; the loader refuses objects of any other. */
#define VERMAGIC_STRING "vmsplit 1 ARMv7"
MODULE_INFO(vermagic, VERMAGIC_STRING);

/* `cargo xtask module` says how the module is called: as its file, with `_` for `-`. */
#ifndef KBUILD_MODNAME
#define KBUILD_MODNAME "module"
#endif

#define MODULE_NAME_LEN 56

/* What stands for a module in its own memory. The kernel tells by the address whose it is. */
struct module {
	char name[MODULE_NAME_LEN];
};

static struct module __maybe_unused __this_module = { .name = KBUILD_MODNAME };
#define THIS_MODULE (&__this_module)

/* Keeps the module that has `module` from being unloaded, until module_put. False when it is being unloaded
 * already; true for NULL. Any context. */
bool try_module_get(struct module *module);
/* The other of the pair. */
void module_put(struct module *module);
/* How many uses it counts. */
int module_refcount(struct module *module);

/* For a caller that knows somebody to hold the module already. */
static inline void __module_get(struct module *module)
{
	(void)try_module_get(module);
}

static inline const char *module_name(const struct module *module)
{
	return module ? module->name : "kernel";
}

/* The function that insmod calls. It may sleep. 0, or a negative error: then the module goes again. */
#define module_init(function) \
	static inline __maybe_unused initcall_t __init_check(void) \
	{ \
		return function; \
	} \
	int init_module(void) __copy(function) __attribute__((__alias__(#function)))

/* The function that rmmod calls. A module that has an init function and no exit function stays. */
#define module_exit(function) \
	static inline __maybe_unused exitcall_t __exit_check(void) \
	{ \
		return function; \
	} \
	void cleanup_module(void) __copy(function) __attribute__((__alias__(#function)))

int init_module(void);
void cleanup_module(void);

#define MODULE_LICENSE(text) MODULE_INFO(license, text)
#define MODULE_AUTHOR(text) MODULE_INFO(author, text)
#define MODULE_DESCRIPTION(text) MODULE_INFO(description, text)
#define MODULE_VERSION(text) MODULE_INFO(version, text)
#define MODULE_ALIAS(text) MODULE_INFO(alias, text)
#define MODULE_SOFTDEP(text) MODULE_INFO(softdep, text)
#define MODULE_FIRMWARE(text) MODULE_INFO(firmware, text)
#define MODULE_IMPORT_NS(space) MODULE_INFO(import_ns, #space)
/* No bus here looks for drivers. */
#define MODULE_DEVICE_TABLE(bus, table)
