/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that the compiler expects to find, and a few more. */
#include "string.h"

void *memcpy(void *to, const void *from, size_t length) {
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t length) {
    if ((u64)to - (u64)from >= length) {
        return memcpy(to, from, length); /* to does not lie inside what is still to be read */
    }
    for (u8 *t = to; length > 0; length--) {
        t[length - 1] = ((const volatile u8 *)from)[length - 1];
    }
    return to;
}

void *memset(void *to, int byte, size_t length) {
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(byte) : "memory");
    return start;
}

int memcmp(const void *a, const void *b, size_t length) {
    const u8 *x = a, *y = b;
    for (size_t i = 0; i < length; i++) {
        if (x[i] != y[i]) {
            return x[i] - y[i];
        }
    }
    return 0;
}

size_t strnlen(const char *text, size_t limit) {
    size_t length = 0;
    while (length < limit && text[length] != 0) {
        length++;
    }
    return length;
}

size_t strlen(const char *text) {
    return strnlen(text, (size_t)-1);
}

int strncmp(const char *a, const char *b, size_t length) {
    for (; length > 0 && *a == *b && *a != 0; length--) {
        a++;
        b++;
    }
    return length == 0 ? 0 : (u8)*a - (u8)*b;
}

int strcmp(const char *a, const char *b) {
    return strncmp(a, b, (size_t)-1);
}

static int digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

u64 parse_u64(const char *text, const char **end) {
    int base = 10;
    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    u64 value = 0;
    for (; digit(*text) < base; text++) {
        value = value * (u64)base + (u64)digit(*text);
    }
    if (end != NULL) {
        *end = text;
    }
    return value;
}
