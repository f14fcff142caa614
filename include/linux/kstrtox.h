/* Numbers from text. The text is the number, maybe with a sign and a line end, and nothing else. `base` is
 * 0 (0x is hexadecimal, 0 octal), 2, 8, 10 or 16. 0, -EINVAL for no number, -ERANGE for one that does not
 * fit; then `*number` is as it was. */
#pragma once

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/types.h>

int __must_check kstrtoint(const char *text, unsigned int base, int *number);
int __must_check kstrtouint(const char *text, unsigned int base, unsigned int *number);
int __must_check kstrtol(const char *text, unsigned int base, long *number);
int __must_check kstrtoul(const char *text, unsigned int base, unsigned long *number);
int __must_check kstrtoll(const char *text, unsigned int base, long long *number);
int __must_check kstrtoull(const char *text, unsigned int base, unsigned long long *number);
/* `y`, `n`, `t`, `f`, `1`, `0`, `on`, `off`. */
int __must_check kstrtobool(const char *text, bool *truth);

/* The number at the front of a text, and where it ends, if `end` is not NULL. What does not fit is cut. */
unsigned long simple_strtoul(const char *text, char **end, unsigned int base);
long simple_strtol(const char *text, char **end, unsigned int base);
unsigned long long simple_strtoull(const char *text, char **end, unsigned int base);
long long simple_strtoll(const char *text, char **end, unsigned int base);

#define __kstrto(name, type, wide, parse, least, greatest) \
	static inline int __must_check name(const char *text, unsigned int base, type *number) \
	{ \
		wide value; \
		int error = parse(text, base, &value); \
	\
		if (error) \
			return error; \
		if (value < (wide)(least) || value > (wide)(greatest)) \
			return -ERANGE; \
		*number = (type)value; \
		return 0; \
	}

__kstrto(kstrtou8, u8, int, kstrtoint, 0, U8_MAX)
__kstrto(kstrtos8, s8, int, kstrtoint, S8_MIN, S8_MAX)
__kstrto(kstrtou16, u16, int, kstrtoint, 0, U16_MAX)
__kstrto(kstrtos16, s16, int, kstrtoint, S16_MIN, S16_MAX)

#undef __kstrto

#define kstrtou32 kstrtouint
#define kstrtos32 kstrtoint
#define kstrtou64 kstrtoull
#define kstrtos64 kstrtoll
