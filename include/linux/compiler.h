/* What the compiler is told, and what is kept from it. */
#pragma once

#include <linux/compiler_attributes.h>

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#define unreachable() __builtin_unreachable()

/* Nothing in memory is as the compiler remembers it. */
#define barrier() __asm__ volatile("" : : : "memory")

/* One access, neither left out nor split nor repeated, of a number or pointer. */
#define READ_ONCE(place) (*(const volatile __typeof__(place) *)&(place))
#define WRITE_ONCE(place, value) \
	do { \
		*(volatile __typeof__(place) *)&(place) = (value); \
	} while (0)

#define __stringify_1(text...) #text
#define __stringify(text...) __stringify_1(text)
#define __PASTE_1(one, other) one##other
#define __PASTE(one, other) __PASTE_1(one, other)
#define __UNIQUE_ID(prefix) __PASTE(__PASTE(__unique_id_, prefix), __COUNTER__)

/* The build stops where `condition` holds. */
#define BUILD_BUG_ON(condition) _Static_assert(!(condition), "BUILD_BUG_ON: " #condition)
#define BUILD_BUG_ON_MSG(condition, text) _Static_assert(!(condition), text)
#define static_assert(condition, ...) __static_assert(condition, ##__VA_ARGS__, #condition)
#define __static_assert(condition, text, ...) _Static_assert(condition, text)

#define cpu_relax() barrier()
