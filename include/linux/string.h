/* Bytes and text that ends with a byte 0. The kernel has the functions; those that are short and rare are
 * here. */
#pragma once

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/types.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *one, const void *other, size_t bytes);
void *memchr(const void *memory, int byte, size_t bytes);

size_t strlen(const char *text);
size_t strnlen(const char *text, size_t most);
int strcmp(const char *one, const char *other);
int strncmp(const char *one, const char *other, size_t most);
char *strcpy(char *to, const char *from);
char *strncpy(char *to, const char *from, size_t bytes);
char *strcat(char *to, const char *from);
char *strncat(char *to, const char *from, size_t most);
char *strchr(const char *text, int letter);
char *strrchr(const char *text, int letter);
char *strstr(const char *text, const char *part);
/* Copies what fits into `room` bytes, the end included. Its length, or -E2BIG if not all did. */
ssize_t strscpy(char *to, const char *from, size_t room);
/* The same, and the length of `from`. */
size_t strlcpy(char *to, const char *from, size_t room);

/* Copies in memory of kmalloc's: `flags` of <linux/gfp.h>. NULL if there is none, or nothing to copy. */
char *kstrdup(const char *text, gfp_t flags) __malloc;
void *kmemdup(const void *memory, size_t bytes, gfp_t flags) __malloc;

void *kmalloc(size_t bytes, gfp_t flags);

/* The first of `bytes` bytes that is another than `byte`, or NULL. */
static inline void *memchr_inv(const void *memory, int byte, size_t bytes)
{
	const unsigned char *at = memory;

	for (; bytes; bytes--, at++)
		if (*at != (unsigned char)byte)
			return (void *)at;
	return NULL;
}

/* A copy of the first `most` letters. */
static inline char *kstrndup(const char *text, size_t most, gfp_t flags)
{
	size_t length;
	char *copy;

	if (!text)
		return NULL;
	length = strnlen(text, most);
	copy = kmalloc(length + 1, flags);
	if (copy) {
		memcpy(copy, text, length);
		copy[length] = '\0';
	}
	return copy;
}

static inline char *skip_spaces(const char *text)
{
	while (*text == ' ' || (*text >= '\t' && *text <= '\r'))
		text++;
	return (char *)text;
}

static inline bool strstarts(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}
