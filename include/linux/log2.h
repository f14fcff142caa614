/* Powers of two. */
#pragma once

#include <linux/compiler.h>
#include <linux/types.h>

/* The number of the highest bit that is set, which counts from 1; 0 for 0. */
static inline __attribute_const__ int fls(unsigned int number)
{
	return number ? 32 - __builtin_clz(number) : 0;
}

static inline __attribute_const__ bool is_power_of_2(unsigned long number)
{
	return number != 0 && (number & (number - 1)) == 0;
}

/* Rounded down. Undefined for 0. */
static inline __attribute_const__ int ilog2(unsigned long number)
{
	return fls(number) - 1;
}

static inline __attribute_const__ unsigned long roundup_pow_of_two(unsigned long number)
{
	return number <= 1 ? 1 : 1UL << fls(number - 1);
}

static inline __attribute_const__ unsigned long rounddown_pow_of_two(unsigned long number)
{
	return 1UL << ilog2(number);
}

/* Rounded up; 0 for 0 and 1. */
static inline __attribute_const__ int order_base_2(unsigned long number)
{
	return number <= 1 ? 0 : fls(number - 1);
}
