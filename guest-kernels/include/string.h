/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRING_H
#define STRING_H

#include "types.h"

void *memcpy(void *to, const void *from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);
int memcmp(const void *a, const void *b, size_t length);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t length);

/* Reads a number as far as its digits go; 0x means hexadecimal. *end is where reading stopped. */
u64 parse_u64(const char *text, const char **end);

#endif
