/* The end. */
#pragma once

#include <linux/compiler.h>

/* Stops the kernel, for a reason that is said by a format as printk's. */
__printf(1, 2) __noreturn void panic(const char *format, ...);
