/* The least and the greatest of each kind of number. */
#pragma once

#define U8_MAX 0xffU
#define S8_MAX 127
#define S8_MIN (-S8_MAX - 1)
#define U16_MAX 0xffffU
#define S16_MAX 32767
#define S16_MIN (-S16_MAX - 1)
#define U32_MAX 0xffffffffU
#define S32_MAX 2147483647
#define S32_MIN (-S32_MAX - 1)
#define U64_MAX 0xffffffffffffffffULL
#define S64_MAX 9223372036854775807LL
#define S64_MIN (-S64_MAX - 1)

#define CHAR_BIT 8
#define UCHAR_MAX U8_MAX
#define USHRT_MAX U16_MAX
#define SHRT_MAX S16_MAX
#define SHRT_MIN S16_MIN
#define UINT_MAX U32_MAX
#define INT_MAX S32_MAX
#define INT_MIN S32_MIN
#define ULONG_MAX 0xffffffffUL
#define LONG_MAX 2147483647L
#define LONG_MIN (-LONG_MAX - 1)
#define ULLONG_MAX U64_MAX
#define LLONG_MAX S64_MAX
#define LLONG_MIN S64_MIN
#define SIZE_MAX U32_MAX
#define SSIZE_MAX S32_MAX
#define PHYS_ADDR_MAX U32_MAX
