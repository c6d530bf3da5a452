/* SPDX-License-Identifier: Apache-2.0 */
#include "cmdline.h"

#include "runtime.h"
#include "string.h"

/* What follows key in the command line ('=', ' ' or the end), or NULL. */
static const char *find(const char *key) {
    size_t length = strlen(key);
    const char *p = start_info->cmd_line;
    const char *end = p + strnlen(p, sizeof start_info->cmd_line);

    while (p < end) {
        if (*p == ' ') {
            p++;
            continue;
        }
        if (strncmp(p, key, length) == 0 && (p[length] == '=' || p[length] == ' ' || p[length] == 0)) {
            return p + length;
        }
        while (p < end && *p != ' ') {
            p++;
        }
    }
    return NULL;
}

bool cmdline_string(const char *key, char *value, size_t size) {
    const char *p = find(key);
    size_t length = 0;
    if (p != NULL && *p == '=') {
        for (p++; *p != 0 && *p != ' ' && length + 1 < size; p++) {
            value[length++] = *p;
        }
    }
    value[length] = 0;
    return p != NULL;
}

u64 cmdline_u64(const char *key, u64 default_value) {
    char text[24];
    return cmdline_string(key, text, sizeof text) && text[0] != 0 ? parse_u64(text, NULL) : default_value;
}

bool cmdline_has(const char *key) {
    return find(key) != NULL;
}
