/* Division of 64-bit numbers. The compiler calls the kernel's __aeabi_uldivmod for it, so a plain `/` is
 * as good here; Linux has no such functions and needs these names. */
#pragma once

#include <linux/types.h>

static inline u64 div_u64_rem(u64 dividend, u32 divisor, u32 *remainder)
{
	*remainder = dividend % divisor;
	return dividend / divisor;
}

static inline u64 div_u64(u64 dividend, u32 divisor)
{
	return dividend / divisor;
}

static inline s64 div_s64(s64 dividend, s32 divisor)
{
	return dividend / divisor;
}

static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}

static inline s64 div64_s64(s64 dividend, s64 divisor)
{
	return dividend / divisor;
}

/* Divides `number`, a u64 variable, in place, and is the remainder. */
#define do_div(number, divisor) \
	({ \
		u32 __divisor = (divisor); \
		u32 __remainder = (number) % __divisor; \
		(number) /= __divisor; \
		__remainder; \
	})
