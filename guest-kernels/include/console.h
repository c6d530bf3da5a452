/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domain's console: a ring shared with the console backend (xen-pv-abi.md, 15.5).
 *
 * Output is never lost: writing waits for the backend when the ring is full. Lines end in "\n" here and in "\r\n" on the
 * wire, as a terminal wants. A domain without a ring (domain 0) prints through the console_io hypercall.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "types.h"

void console_init(void);
void console_write(const char *text, size_t length);

/* Waits, at most a few seconds, until the backend has taken everything. */
void console_flush(void);

/* Waits for a line, echoes it, returns its length without the line end; longer lines are cut. */
size_t console_read_line(char *line, size_t size);

/* %d %u %x %c %s %p %%, with - 0 width, and l for 64-bit numbers; .N for strings. */
void printf(const char *format, ...) PRINTF_LIKE(1, 2);
void vprintf(const char *format, va_list args);
int snprintf(char *buffer, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
int vsnprintf(char *buffer, size_t size, const char *format, va_list args);

#endif
