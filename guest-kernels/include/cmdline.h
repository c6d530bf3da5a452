/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel command line: words of the form key or key=value, separated by spaces. */
#ifndef CMDLINE_H
#define CMDLINE_H

#include "types.h"

/* Copies the value of key; false if the key is not there, leaving "" in value. A key without = has the value "". */
bool cmdline_string(const char *key, char *value, size_t size);

/* The value of key as a number, or the default. */
u64 cmdline_u64(const char *key, u64 default_value);

bool cmdline_has(const char *key);

#endif
