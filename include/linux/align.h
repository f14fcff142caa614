/* To the next multiple of a power of 2. */
#pragma once

#include <linux/compiler.h>

#define ALIGN(value, bytes) (((value) + ((__typeof__(value))(bytes) - 1)) & ~((__typeof__(value))(bytes) - 1))
#define ALIGN_DOWN(value, bytes) ((value) & ~((__typeof__(value))(bytes) - 1))
#define PTR_ALIGN(pointer, bytes) ((__typeof__(pointer))ALIGN((unsigned long)(pointer), (bytes)))
#define IS_ALIGNED(value, bytes) (((value) & ((__typeof__(value))(bytes) - 1)) == 0)
