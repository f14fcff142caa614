/* What nearly every source uses. */
#pragma once

#include <linux/align.h>
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/panic.h>
#include <linux/printk.h>
#include <linux/sprintf.h>
#include <linux/stdarg.h>
#include <linux/stddef.h>
#include <linux/types.h>

/* The number of elements of an array; a pointer is refused. */
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]) + __must_be_array(array))
#define __must_be_array(array) \
	(sizeof(struct { int : -!!__builtin_types_compatible_p(__typeof__(array), __typeof__(&(array)[0])); }))

#define upper_32_bits(number) ((u32)(((number) >> 16) >> 16))
#define lower_32_bits(number) ((u32)((number) & 0xffffffff))

/* Notes of the author's. There is no scheduler that could tell. */
#define might_sleep() do { } while (0)
#define might_sleep_if(condition) do { } while (0)
#define cond_resched() (0)
