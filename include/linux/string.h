/* Bytes and text that ends with a byte 0. */
#pragma once

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/types.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *one, const void *other, size_t bytes);
/* 0 for the same bytes. */
int bcmp(const void *one, const void *other, size_t bytes);
void *memchr(const void *memory, int byte, size_t bytes);
/* The first byte that is another than `byte`, or NULL. */
void *memchr_inv(const void *memory, int byte, size_t bytes);
/* The first byte that is `byte`, or what is behind the memory. */
void *memscan(void *memory, int byte, size_t bytes);

size_t strlen(const char *text);
size_t strnlen(const char *text, size_t most);
int strcmp(const char *one, const char *other);
int strncmp(const char *one, const char *other, size_t most);
/* Capital and small letters are the same. */
int strcasecmp(const char *one, const char *other);
int strncasecmp(const char *one, const char *other, size_t most);

char *strcpy(char *to, const char *from);
char *strncpy(char *to, const char *from, size_t bytes);
char *strcat(char *to, const char *from);
char *strncat(char *to, const char *from, size_t most);
/* Copies what fits into `room` bytes, the end included. Its length, or -E2BIG if not all did. */
ssize_t strscpy(char *to, const char *from, size_t room);
/* The same, and the length of `from`; that of both together. */
size_t strlcpy(char *to, const char *from, size_t room);
size_t strlcat(char *to, const char *from, size_t room);

char *strchr(const char *text, int letter);
char *strnchr(const char *text, size_t most, int letter);
/* The end of the text, where there is none. */
char *strchrnul(const char *text, int letter);
char *strrchr(const char *text, int letter);
char *strstr(const char *text, const char *part);
char *strnstr(const char *text, const char *part, size_t most);
size_t strspn(const char *text, const char *accept);
size_t strcspn(const char *text, const char *reject);
char *strpbrk(const char *text, const char *accept);
/* The part up to one of `delimiters`, which becomes its end; `*text` is then what is behind it, or NULL. */
char *strsep(char **text, const char *delimiters);
char *skip_spaces(const char *text);
/* Without spaces at the front, and those at the end cut off. */
char *strim(char *text);
#define strstrip(text) strim(text)

/* Copies in memory of kmalloc's: `flags` of <linux/gfp.h>. NULL if there is none, or nothing to copy. */
char *kstrdup(const char *text, gfp_t flags) __malloc;
char *kstrndup(const char *text, size_t most, gfp_t flags) __malloc;
void *kmemdup(const void *memory, size_t bytes, gfp_t flags) __malloc;

static inline bool strstarts(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* The bytes of `prefix` if `text` begins with it, else 0. */
static inline size_t str_has_prefix(const char *text, const char *prefix)
{
	size_t bytes = strlen(prefix);

	return strncmp(text, prefix, bytes) == 0 ? bytes : 0;
}

/* Zeroes that the compiler must not leave out. */
static inline void memzero_explicit(void *to, size_t bytes)
{
	memset(to, 0, bytes);
	barrier();
}
