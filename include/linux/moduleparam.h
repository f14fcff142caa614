/* Parameters of a module: variables that the loader writes before the init function is called. */
#pragma once

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/types.h>

/* A string `tag=value` of the section `.modinfo`. */
#define MODULE_INFO(tag, value) __MODULE_INFO(tag, __UNIQUE_ID(tag), value)
#define __MODULE_INFO(tag, name, value) \
	static const char __used __aligned(1) __section(".modinfo") name[] = #tag "=" value

/* A record of the section `__param`: 20 bytes. */
struct kernel_param {
	const char *name;
	/* One of the __param_ below, and __PARAM_ARRAY. */
	u32 type;
	void *variable;
	/* The variable's size: of the whole array, of the whole buffer. */
	u32 bytes;
	/* Where the loader writes how many elements an array was given, or NULL. */
	unsigned int *count;
};

#define __param_bool 0
#define __param_byte 1
#define __param_short 2
#define __param_ushort 3
#define __param_int 4
#define __param_uint 5
#define __param_long 6
#define __param_ulong 7
#define __param_charp 8
#define __param_string 9
#define __param_invbool 10
#define __param_hexint __param_uint
#define __PARAM_ARRAY 0x100

#define __param_type_bool bool
#define __param_type_byte unsigned char
#define __param_type_short short
#define __param_type_ushort unsigned short
#define __param_type_int int
#define __param_type_uint unsigned int
#define __param_type_long long
#define __param_type_ulong unsigned long
#define __param_type_charp char *
#define __param_type_invbool bool
#define __param_type_hexint unsigned int

#define __param_record(name, kind, variable, bytes, count, perm) \
	BUILD_BUG_ON_MSG((perm) < 0 || (perm) > 0777, "a parameter's last argument is permissions"); \
	static const char __param_name_##name[] = #name; \
	static const struct kernel_param __used __aligned(4) __section("__param") \
		__param_record_##name = { __param_name_##name, kind, variable, bytes, count }

/* The compiler says so when the variable is of another type. */
#define __param_check(name, variable, type) \
	static inline __maybe_unused __param_type_##type *__param_check_##name(void) \
	{ \
		return &(variable); \
	}

/* `variable` can be given as `NAME=value`. `type` is bool, invbool, byte, short, ushort, int, uint, long,
 * ulong, hexint or charp. What `charp` points to lives as long as the module. `perm` has no effect: there
 * are no files for parameters. */
#define module_param_named(name, variable, type, perm) \
	__param_check(name, variable, type) \
	__param_record(name, __param_##type, &(variable), sizeof(variable), NULL, perm); \
	MODULE_INFO(parmtype, #name ":" #type)
#define module_param(name, type, perm) module_param_named(name, name, type, perm)

/* `array` can be given as `NAME=value,value`. `count` is where their number goes, or NULL. */
#define module_param_array_named(name, array, type, count, perm) \
	__param_check(name, (array)[0], type) \
	__param_record(name, __param_##type | __PARAM_ARRAY, (array), \
		       sizeof(array) + 0 * ARRAY_SIZE(array), count, perm); \
	MODULE_INFO(parmtype, #name ":array of " #type)
#define module_param_array(name, type, count, perm) \
	module_param_array_named(name, name, type, count, perm)

/* `buffer` of `room` bytes, the end included, can be given as `NAME=text`. */
#define module_param_string(name, buffer, room, perm) \
	__param_record(name, __param_string, buffer, room, NULL, perm); \
	MODULE_INFO(parmtype, #name ":string")

#define MODULE_PARM_DESC(name, text) MODULE_INFO(parm, #name ":" text)
