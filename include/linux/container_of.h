/* From a member to the structure that it lies in. */
#pragma once

#include <linux/stddef.h>

#define container_of(pointer, type, member) \
	({ \
		const __typeof__(((type *)0)->member) *__member = (pointer); \
		(type *)((unsigned long)__member - offsetof(type, member)); \
	})
