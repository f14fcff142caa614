/* Numbers that several CPUs, or an interrupt handler, change at a time. */
#pragma once

#include <linux/compiler.h>
#include <linux/types.h>

#define ATOMIC_INIT(value) { (value) }

static inline int atomic_read(const atomic_t *number)
{
	return READ_ONCE(number->counter);
}

static inline void atomic_set(atomic_t *number, int value)
{
	WRITE_ONCE(number->counter, value);
}

/* Those that return something order the accesses around them; the others do not. */
static inline int atomic_add_return(int value, atomic_t *number)
{
	return __atomic_add_fetch(&number->counter, value, __ATOMIC_SEQ_CST);
}

static inline int atomic_sub_return(int value, atomic_t *number)
{
	return __atomic_sub_fetch(&number->counter, value, __ATOMIC_SEQ_CST);
}

static inline void atomic_add(int value, atomic_t *number)
{
	__atomic_add_fetch(&number->counter, value, __ATOMIC_RELAXED);
}

static inline void atomic_sub(int value, atomic_t *number)
{
	__atomic_sub_fetch(&number->counter, value, __ATOMIC_RELAXED);
}

static inline int atomic_xchg(atomic_t *number, int value)
{
	return __atomic_exchange_n(&number->counter, value, __ATOMIC_SEQ_CST);
}

/* Writes `value` where there was `old`. What there was. */
static inline int atomic_cmpxchg(atomic_t *number, int old, int value)
{
	__atomic_compare_exchange_n(&number->counter, &old, value, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	return old;
}

#define atomic_inc(number) atomic_add(1, (number))
#define atomic_dec(number) atomic_sub(1, (number))
#define atomic_inc_return(number) atomic_add_return(1, (number))
#define atomic_dec_return(number) atomic_sub_return(1, (number))
#define atomic_dec_and_test(number) (atomic_sub_return(1, (number)) == 0)
