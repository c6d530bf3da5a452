/* SPDX-License-Identifier: Apache-2.0 */
/* A formatter that is just enough; console.h lists what it knows. */
#include "console.h"
#include "string.h"

struct sink {
    char *next, *end;
    size_t wanted;
};

static void put(struct sink *sink, char c) {
    if (sink->next < sink->end) {
        *sink->next++ = c;
    }
    sink->wanted++;
}

struct field {
    unsigned width;
    bool left, zeros, is_long;
    int precision; /* -1: none given */
};

static void put_padded(struct sink *sink, const struct field *field, const char *text, size_t length) {
    size_t padding = field->width > length ? field->width - length : 0;
    if (field->zeros && length > 0 && *text == '-') {
        put(sink, *text++);
        length--;
    }
    for (; padding > 0 && !field->left; padding--) {
        put(sink, field->zeros ? '0' : ' ');
    }
    for (size_t i = 0; i < length; i++) {
        put(sink, text[i]);
    }
    for (; padding > 0; padding--) {
        put(sink, ' ');
    }
}

static void put_number(struct sink *sink, const struct field *field, u64 value, unsigned base, bool negative) {
    char digits[24];
    char *first = digits + sizeof digits;
    do {
        *--first = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    if (negative) {
        *--first = '-';
    }
    put_padded(sink, field, first, (size_t)(digits + sizeof digits - first));
}

static const char *parse_field(const char *p, struct field *field) {
    *field = (struct field){.precision = -1};
    for (;; p++) {
        if (*p == '-') {
            field->left = true;
        } else if (*p == '0') {
            field->zeros = true;
        } else {
            break;
        }
    }
    for (; *p >= '0' && *p <= '9'; p++) {
        field->width = field->width * 10 + (unsigned)(*p - '0');
    }
    if (*p == '.') {
        field->precision = 0;
        for (p++; *p >= '0' && *p <= '9'; p++) {
            field->precision = field->precision * 10 + (*p - '0');
        }
    }
    for (; *p == 'l' || *p == 'z'; p++) {
        field->is_long = true;
    }
    return p;
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list args) {
    struct sink sink = {.next = buffer, .end = buffer + (size > 0 ? size - 1 : 0)};

    for (const char *p = format; *p != 0; p++) {
        if (*p != '%') {
            put(&sink, *p);
            continue;
        }
        struct field field;
        p = parse_field(p + 1, &field);
        switch (*p) {
        case 'd': {
            s64 value = field.is_long ? va_arg(args, s64) : va_arg(args, int);
            put_number(&sink, &field, value < 0 ? -(u64)value : (u64)value, 10, value < 0);
            break;
        }
        case 'u':
        case 'x':
            put_number(&sink, &field, field.is_long ? va_arg(args, u64) : va_arg(args, unsigned), *p == 'u' ? 10 : 16, false);
            break;
        case 'p':
            put(&sink, '0');
            put(&sink, 'x');
            put_number(&sink, &field, (u64)va_arg(args, void *), 16, false);
            break;
        case 'c': {
            char c = (char)va_arg(args, int);
            put_padded(&sink, &field, &c, 1);
            break;
        }
        case 's': {
            const char *text = va_arg(args, const char *);
            size_t limit = field.precision >= 0 ? (size_t)field.precision : (size_t)-1;
            put_padded(&sink, &field, text, strnlen(text, limit));
            break;
        }
        case '%':
            put(&sink, '%');
            break;
        default: /* unknown: show it, and stop before an argument is misread */
            put(&sink, '%');
            put(&sink, '?');
            goto done;
        }
    }
done:
    if (size > 0) {
        *sink.next = 0;
    }
    return (int)sink.wanted;
}

int snprintf(char *buffer, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(buffer, size, format, args);
    va_end(args);
    return wanted;
}

void vprintf(const char *format, va_list args) {
    char line[1536]; /* holds a command line, the longest thing there is to print */
    int wanted = vsnprintf(line, sizeof line, format, args);
    console_write(line, (size_t)wanted < sizeof line ? (size_t)wanted : sizeof line - 1);
}

void printf(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
}
