/* Lines for the log. */
#pragma once

#include <linux/compiler.h>
#include <linux/kern_levels.h>
#include <linux/stdarg.h>
#include <linux/types.h>

/* Prints by a format, as C's printf; `%p` shows an address as it is, `%pS` a function's name. Any context.
 * The number of bytes printed. */
__printf(1, 2) int printk(const char *format, ...);
/* `printk` by the name that objects built with newer headers of Linux ask for. */
__printf(1, 2) int _printk(const char *format, ...);
/* With the arguments that another function was called with. */
__printf(1, 0) int vprintk(const char *format, va_list arguments);
/* The calls that led here, into the log. */
void dump_stack(void);

/* What each pr_ line begins with. A source defines it before it includes anything. */
#ifndef pr_fmt
#define pr_fmt(format) format
#endif

#define pr_emerg(format, ...) printk(KERN_EMERG pr_fmt(format), ##__VA_ARGS__)
#define pr_alert(format, ...) printk(KERN_ALERT pr_fmt(format), ##__VA_ARGS__)
#define pr_crit(format, ...) printk(KERN_CRIT pr_fmt(format), ##__VA_ARGS__)
#define pr_err(format, ...) printk(KERN_ERR pr_fmt(format), ##__VA_ARGS__)
#define pr_warn(format, ...) printk(KERN_WARNING pr_fmt(format), ##__VA_ARGS__)
#define pr_warning pr_warn
#define pr_notice(format, ...) printk(KERN_NOTICE pr_fmt(format), ##__VA_ARGS__)
#define pr_info(format, ...) printk(KERN_INFO pr_fmt(format), ##__VA_ARGS__)
#define pr_cont(format, ...) printk(KERN_CONT format, ##__VA_ARGS__)

/* Checked like the others, and no code. */
#define no_printk(format, ...) \
	({ \
		if (0) \
			printk(format, ##__VA_ARGS__); \
		0; \
	})

/* Only in a source that defines DEBUG. */
#ifdef DEBUG
#define pr_debug(format, ...) printk(KERN_DEBUG pr_fmt(format), ##__VA_ARGS__)
#define pr_devel pr_debug
#else
#define pr_debug(format, ...) no_printk(KERN_DEBUG pr_fmt(format), ##__VA_ARGS__)
#define pr_devel pr_debug
#endif

/* The first time only that this place is reached. */
#define printk_once(format, ...) \
	({ \
		static bool __printed; \
		bool __first = !__printed; \
		__printed = true; \
		if (__first) \
			printk(format, ##__VA_ARGS__); \
		__first; \
	})
#define pr_err_once(format, ...) printk_once(KERN_ERR pr_fmt(format), ##__VA_ARGS__)
#define pr_warn_once(format, ...) printk_once(KERN_WARNING pr_fmt(format), ##__VA_ARGS__)
#define pr_info_once(format, ...) printk_once(KERN_INFO pr_fmt(format), ##__VA_ARGS__)
