/* What must not be. `BUG` is the end of the kernel, `WARN` a message and a trace of the calls. */
#pragma once

#include <linux/compiler.h>
#include <linux/panic.h>
#include <linux/printk.h>

#define BUG() panic("BUG at %s:%d, %s", __FILE__, __LINE__, __func__)
#define BUG_ON(condition) \
	do { \
		if (unlikely(condition)) \
			BUG(); \
	} while (0)

#define __warn_trace() \
	do { \
		printk(KERN_WARNING "WARNING at %s:%d, %s\n", __FILE__, __LINE__, __func__); \
		dump_stack(); \
	} while (0)

/* Each is whether `condition` holds. */
#define WARN_ON(condition) \
	({ \
		bool __holds = !!(condition); \
		if (unlikely(__holds)) \
			__warn_trace(); \
		unlikely(__holds); \
	})
#define WARN(condition, format, ...) \
	({ \
		bool __holds = !!(condition); \
		if (unlikely(__holds)) { \
			printk(KERN_WARNING format, ##__VA_ARGS__); \
			__warn_trace(); \
		} \
		unlikely(__holds); \
	})
#define WARN_ON_ONCE(condition) \
	({ \
		static bool __warned; \
		bool __met = !!(condition); \
		if (unlikely(__met && !__warned)) { \
			__warned = true; \
			__warn_trace(); \
		} \
		unlikely(__met); \
	})
#define WARN_ONCE(condition, format, ...) \
	({ \
		static bool __warned; \
		bool __met = !!(condition); \
		if (unlikely(__met && !__warned)) { \
			__warned = true; \
			WARN(1, format, ##__VA_ARGS__); \
		} \
		unlikely(__met); \
	})
