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
__printf(3, 0) int vscnprintf(char *to, size_t room, const char *format, va_list arguments);
/* Without a bound: only for what is known to fit. */
__printf(2, 3) int sprintf(char *to, const char *format, ...);
__printf(2, 0) int vsprintf(char *to, const char *format, va_list arguments);
/* In memory of kmalloc's: `flags` of <linux/gfp.h>. NULL if there is none. */
__printf(2, 3) char *kasprintf(gfp_t flags, const char *format, ...) __malloc;
__printf(2, 0) char *kvasprintf(gfp_t flags, const char *format, va_list arguments) __malloc;
