/* Rounding and division. */
#pragma once

#include <linux/compiler.h>

/* To a multiple of a power of 2. */
#define __round_mask(value, multiple) ((__typeof__(value))((multiple) - 1))
#define round_up(value, multiple) ((((value) - 1) | __round_mask(value, multiple)) + 1)
#define round_down(value, multiple) ((value) & ~__round_mask(value, multiple))

/* To a multiple of any number. */
#define roundup(value, multiple) \
	({ \
		__typeof__(multiple) __multiple = (multiple); \
		(((value) + (__multiple - 1)) / __multiple) * __multiple; \
	})
#define rounddown(value, multiple) \
	({ \
		__typeof__(value) __value = (value); \
		__value - (__value % (multiple)); \
	})

#define DIV_ROUND_UP(dividend, divisor) (((dividend) + (divisor) - 1) / (divisor))
#define DIV_ROUND_CLOSEST(dividend, divisor) \
	({ \
		__typeof__(divisor) __divisor = (divisor); \
		((dividend) + __divisor / 2) / __divisor; \
	})

#define abs(value) \
	({ \
		__typeof__(value) __value = (value); \
		__value < 0 ? -__value : __value; \
	})
