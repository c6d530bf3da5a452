/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of the xenstore ring. Both rings are byte streams: messages wrap and arrive in pieces. */
#include "xenstore.h"

#include "console.h"
#include "events.h"
#include "mm.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

#define LOOK_AGAIN_NS (100 * NS_PER_MS)

extern struct xenstore_ring xenstore_ring; /* start.S; mapped at first use */

static bool watch_fired;

bool xs_present(void) {
    return !(start_info->flags & SIF_INITDOMAIN) && start_info->store_mfn != 0;
}

static void map_ring(void) {
    static bool mapped;
    if (!mapped) {
        mm_map_foreign(&xenstore_ring, start_info->store_mfn << PAGE_SHIFT);
        mapped = true;
    }
}

static u32 readable(void) {
    return READ_ONCE(xenstore_ring.rsp_prod) - READ_ONCE(xenstore_ring.rsp_cons);
}

static u32 writable(void) {
    return XENSTORE_RING_SIZE - (READ_ONCE(xenstore_ring.req_prod) - READ_ONCE(xenstore_ring.req_cons));
}

/* Waits until one of the rings has moved our way: available() says so. False after the deadline (0: none). */
static bool wait_for(u32 (*available)(void), u64 deadline) {
    while (available() == 0) {
        event_clear(start_info->store_evtchn);
        if (available() != 0) {
            break;
        }
        u64 now = time_now();
        if (deadline != 0 && now >= deadline) {
            return false;
        }
        u64 look_again = now + LOOK_AGAIN_NS;
        event_poll(start_info->store_evtchn, deadline != 0 && deadline < look_again ? deadline : look_again);
    }
    return true;
}

static void send(const void *data, size_t length) {
    const char *bytes = data;
    while (length > 0) {
        wait_for(writable, 0);
        u32 prod = xenstore_ring.req_prod;
        for (u32 space = writable(); space > 0 && length > 0; space--, length--) {
            WRITE_ONCE(xenstore_ring.req[prod++ % XENSTORE_RING_SIZE], *bytes++);
        }
        compiler_barrier(); /* the bytes before the index that announces them */
        WRITE_ONCE(xenstore_ring.req_prod, prod);
        event_send(start_info->store_evtchn);
    }
}

/* Takes length bytes off the ring; the first size of them go to data. */
static void receive(void *data, size_t size, size_t length) {
    char *bytes = data;
    for (size_t done = 0; done < length;) {
        wait_for(readable, 0);
        u32 cons = xenstore_ring.rsp_cons;
        for (u32 ready = readable(); ready > 0 && done < length; ready--, done++) {
            char c = READ_ONCE(xenstore_ring.rsp[cons++ % XENSTORE_RING_SIZE]);
            if (done < size) {
                bytes[done] = c;
            }
        }
        compiler_barrier(); /* the bytes before their place is given back */
        WRITE_ONCE(xenstore_ring.rsp_cons, cons);
        event_send(start_info->store_evtchn);
    }
}

static struct xenstore_header receive_header(void) {
    struct xenstore_header header;
    receive(&header, sizeof header, sizeof header);
    return header;
}

static void take_watch_event(const struct xenstore_header *header) {
    receive(NULL, 0, header->len);
    watch_fired = true;
}

static s64 errno_of(const char *name) {
    static const struct {
        const char *name;
        s64 number;
    } errors[] = {{"ENOENT", ENOENT}, {"EACCES", EACCES}, {"EPERM", EPERM}, {"EEXIST", EEXIST},
                  {"EINVAL", EINVAL}, {"EAGAIN", EAGAIN}, {"ENOSPC", ENOSPC}, {"ENOSYS", ENOSYS}};
    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        if (strcmp(name, errors[i].name) == 0) {
            return -errors[i].number;
        }
    }
    return -EIO;
}

/*
 * One request and its reply. The request's payload is two pieces, as most are: a path with its NUL, and a value.
 * Returns the length of the reply, of which the first size bytes are in reply.
 */
static s64 request(enum xenstore_type type, const void *first, size_t first_length, const void *second,
                   size_t second_length, char *reply, size_t size) {
    static u32 last_id;
    struct xenstore_header header = {.type = type, .req_id = ++last_id, .len = (u32)(first_length + second_length)};

    map_ring();
    send(&header, sizeof header);
    send(first, first_length);
    send(second, second_length);

    for (;;) {
        header = receive_header();
        if (header.type != XS_WATCH_EVENT) {
            break;
        }
        take_watch_event(&header); /* events come between replies whenever they please */
    }
    if (header.req_id != last_id) {
        panic("xenstore answered request %u when asked %u", header.req_id, last_id);
    }
    if (header.type == XS_ERROR) {
        char name[16] = "";
        receive(name, sizeof name - 1, header.len);
        return errno_of(name);
    }
    receive(reply, size, header.len);
    return header.len;
}

static s64 request_on_path(enum xenstore_type type, const char *path, char *reply, size_t size) {
    return request(type, path, strlen(path) + 1, NULL, 0, reply, size);
}

s64 xs_read(const char *path, char *value, size_t size) {
    s64 length = request_on_path(XS_READ, path, value, size - 1);
    value[length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1] = 0;
    return length;
}

s64 xs_directory(const char *path, char *names, size_t size) {
    return request_on_path(XS_DIRECTORY, path, names, size);
}

/* Requests that are answered with "OK". */
static s64 command(enum xenstore_type type, const char *path, const char *value, size_t value_length) {
    s64 result = request(type, path, strlen(path) + 1, value, value_length, NULL, 0);
    return result < 0 ? result : 0;
}

s64 xs_write(const char *path, const char *value) {
    return command(XS_WRITE, path, value, strlen(value));
}

s64 xs_rm(const char *path) {
    return command(XS_RM, path, NULL, 0);
}

/* "n<owner>\0r<reader>\0": the first names the owner and what everybody else may do, nothing; then exceptions. */
s64 xs_share_with(const char *path, u16 reader) {
    char permissions[24];
    int owner_length = snprintf(permissions, sizeof permissions, "n%u", domain_id()) + 1;
    int reader_length = snprintf(permissions + owner_length, sizeof permissions - (size_t)owner_length, "r%u", reader) + 1;
    return command(XS_SET_PERMS, path, permissions, (size_t)(owner_length + reader_length));
}

s64 xs_watch(const char *path, const char *token) {
    return command(XS_WATCH, path, token, strlen(token) + 1);
}

s64 xs_unwatch(const char *path, const char *token) {
    return command(XS_UNWATCH, path, token, strlen(token) + 1);
}

bool xs_wait(u64 deadline) {
    map_ring();
    while (!watch_fired) {
        if (!wait_for(readable, deadline)) {
            return false;
        }
        struct xenstore_header header = receive_header();
        if (header.type != XS_WATCH_EVENT) {
            panic("xenstore sent message type %u unasked", header.type);
        }
        take_watch_event(&header);
    }
    watch_fired = false;
    return true;
}
