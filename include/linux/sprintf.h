/* Text by a format, into memory. */
#pragma once

#include <linux/compiler.h>
#include <linux/stdarg.h>
#include <linux/types.h>

/* Each writes at most `room` bytes, the end included. The s forms are what the whole text would take
 * without its end, the sc form what was written. */
__printf(3, 4) int snprintf(char *to, size_t room, const char *format, ...);
__printf(3, 4) int scnprintf(char *to, size_t room, const char *format, ...);
__printf(3, 0) int vsnprintf(char *to, size_t room, const char *format, va_list arguments);
/* Without a bound: only for what is known to fit. */
__printf(2, 3) int sprintf(char *to, const char *format, ...);
