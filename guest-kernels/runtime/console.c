/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include "events.h"
#include "hypercall.h"
#include "mm.h"
#include "runtime.h"
#include "time.h"

/* A backend is meant to notify when it has taken bytes; looking again after this long makes do with one that does not. */
#define LOOK_AGAIN_NS (10 * NS_PER_MS)
#define FLUSH_LIMIT_NS (5 * NS_PER_S)

extern struct console_ring console_ring;

static bool have_ring;

void console_init(void) {
    if (start_info->flags & SIF_INITDOMAIN || start_info->console_mfn == 0) {
        return;
    }
    mm_map_foreign(&console_ring, start_info->console_mfn << PAGE_SHIFT);
    have_ring = true;
}

static void notify(void) {
    event_send(start_info->console_evtchn);
}

/* The indices run free; their difference is what lies between them. */
static u32 unsent(void) {
    return READ_ONCE(console_ring.out_prod) - READ_ONCE(console_ring.out_cons);
}

static void wait_for_backend(void) {
    event_poll(start_info->console_evtchn, time_now() + LOOK_AGAIN_NS);
}

static void put(char c) {
    while (unsent() >= CONSOLE_OUT_SIZE) {
        notify();
        event_clear(start_info->console_evtchn);
        if (unsent() >= CONSOLE_OUT_SIZE) {
            wait_for_backend();
        }
    }
    u32 prod = console_ring.out_prod;
    WRITE_ONCE(console_ring.out[prod % CONSOLE_OUT_SIZE], c);
    compiler_barrier(); /* the byte before the index that announces it */
    WRITE_ONCE(console_ring.out_prod, prod + 1);
}

void console_write(const char *text, size_t length) {
    if (!have_ring) {
        hv_console_io(CONSOLEIO_WRITE, length, (void *)text);
        return;
    }
    bool events = events_disable(); /* an event handler may print too */
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n') {
            put('\r');
        }
        put(text[i]);
    }
    notify();
    events_restore(events);
}

void console_flush(void) {
    u64 deadline = time_now() + FLUSH_LIMIT_NS;
    while (have_ring && unsent() != 0 && time_now() < deadline) {
        notify();
        event_clear(start_info->console_evtchn);
        if (unsent() != 0) {
            wait_for_backend();
        }
    }
}

static char read_char(void) {
    while (READ_ONCE(console_ring.in_cons) == READ_ONCE(console_ring.in_prod)) {
        event_clear(start_info->console_evtchn);
        if (READ_ONCE(console_ring.in_cons) == READ_ONCE(console_ring.in_prod)) {
            event_poll(start_info->console_evtchn, 0);
        }
    }
    u32 cons = console_ring.in_cons;
    char c = READ_ONCE(console_ring.in[cons % CONSOLE_IN_SIZE]);
    compiler_barrier(); /* the byte before its slot is given back */
    WRITE_ONCE(console_ring.in_cons, cons + 1);
    notify();
    return c;
}

size_t console_read_line(char *line, size_t size) {
    size_t length = 0;
    while (have_ring) {
        char c = read_char();
        if (c == '\r' || c == '\n') {
            break;
        }
        if ((c == '\b' || c == 0x7f) && length > 0) {
            length--;
            console_write("\b \b", 3);
        } else if (c >= ' ' && c < 0x7f && length + 1 < size) {
            line[length++] = c;
            console_write(&c, 1);
        }
    }
    line[length] = 0;
    console_write("\n", 1);
    return length;
}
