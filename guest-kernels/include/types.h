/* SPDX-License-Identifier: Apache-2.0 */
/* The few words every file here needs: fixed-width integers, and what the compiler must be told. */
#ifndef TYPES_H
#define TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long s64;

#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NORETURN __attribute__((noreturn))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

/* Keeps the compiler from moving memory accesses across; x86 itself keeps stores in order (TSO). */
#define compiler_barrier() __asm__ volatile("" ::: "memory")

/* Memory that the hypervisor or another domain changes behind the compiler's back. */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

#endif
