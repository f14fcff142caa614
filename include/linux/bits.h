/* Numbers with one bit, or with some bits in a row, set. */
#pragma once

#define BITS_PER_BYTE 8
#define BITS_PER_LONG 32
#define BITS_PER_LONG_LONG 64

#define BIT(number) (1UL << (number))
#define BIT_ULL(number) (1ULL << (number))
#define BITS_TO_LONGS(bits) (((bits) + BITS_PER_LONG - 1) / BITS_PER_LONG)

/* Bits `high` down to `low`, both set. */
#define GENMASK(high, low) ((~0UL << (low)) & (~0UL >> (BITS_PER_LONG - 1 - (high))))
#define GENMASK_ULL(high, low) ((~0ULL << (low)) & (~0ULL >> (BITS_PER_LONG_LONG - 1 - (high))))
