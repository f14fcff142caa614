/* Arithmetic that says whether the result fits, and sizes that become SIZE_MAX when it does not: no
 * allocator has that much. */
#pragma once

#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/types.h>

#define check_add_overflow(one, other, sum) __builtin_add_overflow(one, other, sum)
#define check_sub_overflow(one, other, difference) __builtin_sub_overflow(one, other, difference)
#define check_mul_overflow(one, other, product) __builtin_mul_overflow(one, other, product)

static inline size_t __must_check size_mul(size_t one, size_t other)
{
	size_t product;

	return check_mul_overflow(one, other, &product) ? SIZE_MAX : product;
}

static inline size_t __must_check size_add(size_t one, size_t other)
{
	size_t sum;

	return check_add_overflow(one, other, &sum) ? SIZE_MAX : sum;
}

#define array_size(count, bytes) size_mul(count, bytes)

/* The size of a structure with `count` elements in the array `member` at its end. */
#define struct_size(pointer, member, count) \
	size_add(sizeof(*(pointer)), size_mul(sizeof(*(pointer)->member), count))
