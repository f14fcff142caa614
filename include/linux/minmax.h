/* The smaller, the greater, and swapped. Each argument is evaluated once. Both of `min` and of `max`
 * are of one type, or the compiler says so. */
#pragma once

#include <linux/compiler.h>

#define __minmax(one, other, order, a, b) \
	({ \
		__typeof__(one) a = (one); \
		__typeof__(other) b = (other); \
		(void)(&a == &b); \
		a order b ? a : b; \
	})

#define min(one, other) __minmax(one, other, <, __UNIQUE_ID(a), __UNIQUE_ID(b))
#define max(one, other) __minmax(one, other, >, __UNIQUE_ID(a), __UNIQUE_ID(b))
#define min3(one, other, third) min((__typeof__(one))min(one, other), third)
#define max3(one, other, third) max((__typeof__(one))max(one, other), third)
#define min_t(type, one, other) min((type)(one), (type)(other))
#define max_t(type, one, other) max((type)(one), (type)(other))
#define clamp(value, low, high) min((__typeof__(value))max(value, low), high)
#define clamp_t(type, value, low, high) clamp((type)(value), (type)(low), (type)(high))
#define clamp_val(value, low, high) clamp_t(__typeof__(value), value, low, high)

#define swap(one, other) \
	do { \
		__typeof__(one) __swapped = (one); \
		(one) = (other); \
		(other) = __swapped; \
	} while (0)
