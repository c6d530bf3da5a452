/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net: a host on a network, for trying one out: its own small stack over the PV network interface device/vif/0.
 *
 *     ip=A.B.C.D/N      its address; without it, it asks for one by DHCP
 *     gw=A.B.C.D        the gateway
 *     no-offload        writes and checks all sums itself, and takes only whole packets
 *     large             sends TCP segments of up to 32 KiB for the backend to cut
 *     ping=A.B.C.D      pings, count=N times (3), size=N bytes (56)
 *     resolve=NAME      asks the resolver that DHCP has named
 *     fetch=A.B.C.D:P   connects, sends "GET / HTTP/1.0", prints how many bytes came and their sum
 *     pour=A.B.C.D:P    connects and sends bytes=N (1 MiB) of a pattern, waits for the end, prints the rate
 *     blast=A.B.C.D:P   sends packets=N datagrams (10000) of size=N bytes, prints the rate
 *     serve             answers on TCP and UDP port 7 (echo), swallows on 9 (discard), for ever or seconds=N
 *
 * One after another, in this order. "net: ..." lines say what came of it; it powers off at the end, and crashes when
 * something that was asked for failed.
 */
#include "kernels/net/netfront.h"
#include "kernels/net/stack.h"
#include "kernels/net/tcp.h"

#include "cmdline.h"
#include "console.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

#define PATIENCE (20 * NS_PER_S)
#define SERVED 8

extern bool tcp_large_segments;

static u8 chunk[32768];
static u32 replies;
static u16 last_sequence;

/* What byte i of a poured stream is. */
static u8 pattern(u64 i) {
    return (u8)(i * 7 + (i >> 12));
}

static void failed(const char *what) {
    printf("net: FAIL %s\n", what);
    console_flush();
    crash();
}

static void echo_reply(u32 from, u16 sequence, u32 length) {
    replies++;
    last_sequence = sequence;
    printf("net: %u bytes from %u.%u.%u.%u: seq=%u\n", length, IP_ARGS(from), sequence);
}

static void do_ping(u32 to) {
    u32 count = (u32)cmdline_u64("count", 3), size = (u32)cmdline_u64("size", 56);
    on_echo_reply = echo_reply;
    u64 worst = 0, total = 0;
    for (u16 i = 1; i <= count; i++) {
        u64 deadline = time_now() + PATIENCE, start = 0;
        bool sent = false;
        u64 again = 0;
        while (last_sequence != i) {
            if (time_now() >= deadline) {
                failed("ping");
            }
            if (!sent || time_now() >= again) {
                sent = ip_reachable(to) && ping(to, i, size);
                start = time_now();
                again = start + NS_PER_S;
            }
            stack_wait(time_now() + 50 * NS_PER_MS);
        }
        u64 took = time_now() - start;
        total += took;
        worst = took > worst ? took : worst;
    }
    printf("net: ping: %u replies of %u, mean %lu us, worst %lu us\n", replies, count, count == 0 ? 0 : total / count / 1000,
           worst / 1000);
}

static struct tcp *connect(const char *where) {
    const char *end;
    u32 to = parse_ip(where, &end);
    u16 port = *end == ':' ? (u16)parse_u64(end + 1, &end) : 0;
    struct tcp *tcp = tcp_connect(to, port);
    u64 deadline = time_now() + PATIENCE;
    while (tcp->state != TCP_OPEN && !tcp->reset && time_now() < deadline) {
        stack_wait(time_now() + 100 * NS_PER_MS);
    }
    if (tcp->state != TCP_OPEN || tcp->reset) {
        printf("net: no connection to %s: %s\n", where, tcp->reset ? "refused" : "no answer");
        failed("connect");
    }
    return tcp;
}

static void do_fetch(const char *where) {
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct tcp *tcp = connect(where);
    tcp_write(tcp, request, sizeof request - 1);
    u64 total = 0, start = time_now(), deadline = start + 6 * PATIENCE;
    u32 sum = 0;
    while (!tcp_at_end(tcp)) {
        u32 got = tcp_read(tcp, chunk, sizeof chunk);
        for (u32 i = 0; i < got; i++) {
            sum = sum * 31 + chunk[i];
        }
        total += got;
        if (got == 0) {
            if (time_now() >= deadline) {
                failed("fetch: no end");
            }
            stack_wait(time_now() + NS_PER_S);
        }
    }
    if (tcp->reset) {
        failed("fetch: reset");
    }
    u64 took = time_now() - start;
    tcp_finish(tcp);
    for (u64 last = time_now() + PATIENCE; !tcp_is_done(tcp) && time_now() < last;) {
        stack_wait(time_now() + NS_PER_S);
    }
    printf("net: fetched %lu bytes, sum %08x, %lu KiB/s\n", total, sum, took == 0 ? 0 : total * NS_PER_S / took / 1024);
    tcp_free(tcp);
}

static void do_pour(const char *where) {
    u64 bytes = cmdline_u64("bytes", 1 << 20), done = 0;
    struct tcp *tcp = connect(where);
    u64 start = time_now();
    while (done < bytes && !tcp->reset) {
        u32 size = bytes - done < sizeof chunk ? (u32)(bytes - done) : (u32)sizeof chunk;
        for (u32 i = 0; i < size; i++) {
            chunk[i] = pattern(done + i);
        }
        for (u32 written = 0; written < size && !tcp->reset;) {
            u32 now = tcp_write(tcp, chunk + written, size - written);
            written += now;
            if (now == 0) {
                stack_wait(time_now() + NS_PER_S);
            }
        }
        done += size;
        stack_poll();
        tcp_poll();
    }
    tcp_finish(tcp);
    u64 deadline = time_now() + 3 * PATIENCE;
    u64 echoed = 0;
    while (!tcp_is_done(tcp) && time_now() < deadline) {
        u32 got = tcp_read(tcp, chunk, sizeof chunk);
        echoed += got;
        if (got == 0) {
            stack_wait(time_now() + NS_PER_S);
        }
    }
    u64 took = time_now() - start;
    if (tcp->reset || !tcp_is_done(tcp)) {
        failed("pour");
    }
    printf("net: poured %lu bytes, %lu KiB/s\n", bytes, took == 0 ? 0 : bytes * NS_PER_S / took / 1024);
    tcp_free(tcp);
}

static void do_blast(const char *where) {
    const char *end;
    u32 to = parse_ip(where, &end);
    u16 port = *end == ':' ? (u16)parse_u64(end + 1, &end) : 9;
    u64 packets = cmdline_u64("packets", 10000);
    u32 size = (u32)cmdline_u64("size", 56);
    while (!ip_reachable(to)) {
        stack_wait(time_now() + 100 * NS_PER_MS);
    }
    u64 start = time_now();
    for (u64 sent = 0; sent < packets;) {
        if (udp_send(to, 4000, port, chunk, size)) {
            sent++;
        } else {
            stack_wait(time_now() + 10 * NS_PER_MS);
        }
    }
    u64 took = time_now() - start;
    printf("net: blasted %lu packets, %lu packets/s\n", packets, took == 0 ? 0 : packets * NS_PER_S / took);
}

/* ---- resolving ---- */

static u32 resolved;
static bool answered;

static void take_answer(u32 from, u16 from_port, u16 to_port, const u8 *data, u32 length) {
    (void)from;
    if (from_port != 53 || to_port != 5353 || length < 12 || get16(data) != 0x646f) {
        return;
    }
    answered = true;
    u32 at = 12;
    while (at < length && data[at] != 0) {
        at += data[at] + 1u;
    }
    at += 5;
    for (u16 i = 0; i < get16(data + 6) && at + 12 <= length; i++) {
        at += 2; /* names in answers are pointers here */
        u16 type = get16(data + at), size = get16(data + at + 8);
        if (type == 1 && size == 4 && at + 14 <= length) {
            resolved = get32(data + at + 10);
        }
        at += 10u + size;
    }
}

static void do_resolve(const char *name) {
    u8 query[300] = {0};
    put16(query, 0x646f);
    query[2] = 1; /* recursion */
    put16(query + 4, 1);
    u32 length = 12;
    for (const char *c = name; *c != 0;) {
        u32 size = 0;
        while (c[size] != 0 && c[size] != '.') {
            size++;
        }
        query[length++] = (u8)size;
        memcpy(query + length, c, size);
        length += size;
        c += size + (c[size] == '.');
    }
    query[length++] = 0;
    put16(query + length, 1);
    put16(query + length + 2, 1);
    length += 4;
    on_datagram = take_answer;
    u64 deadline = time_now() + PATIENCE;
    while (!answered && time_now() < deadline) {
        udp_send(ip_config.resolver, 5353, 53, query, length);
        stack_wait(time_now() + NS_PER_S / 2);
    }
    if (!answered) {
        failed("resolve");
    }
    printf("net: %s is %u.%u.%u.%u\n", name, IP_ARGS(resolved));
}

/* ---- serving ---- */

static u64 swallowed_packets, swallowed_bytes;

static void serve_datagram(u32 from, u16 from_port, u16 to_port, const u8 *data, u32 length) {
    if (to_port == 7) {
        memcpy(chunk, data, length < sizeof chunk ? length : sizeof chunk);
        udp_send(from, 7, from_port, chunk, length < sizeof chunk ? length : sizeof chunk);
    } else if (to_port == 9) {
        swallowed_packets++;
        swallowed_bytes += length;
    }
}

struct served {
    struct tcp *tcp;
    u64 count;
    bool echo, bad;
    u32 held, given; /* echo: bytes in its hands */
    u8 data[4096];
};
static struct served served[SERVED];

static bool serve_one(struct served *one) {
    struct tcp *tcp = one->tcp;
    bool progress = false;
    if (one->echo) {
        if (one->given == one->held) {
            one->given = 0;
            one->held = tcp_read(tcp, one->data, sizeof one->data);
        }
        if (one->given < one->held) {
            u32 written = tcp_write(tcp, one->data + one->given, one->held - one->given);
            one->given += written;
            one->count += written;
            progress = written > 0;
        }
    } else {
        u32 got = tcp_read(tcp, chunk, sizeof chunk);
        for (u32 i = 0; i < got; i++) {
            one->bad |= chunk[i] != pattern(one->count + i);
        }
        one->count += got;
        progress = got > 0;
    }
    if (tcp_at_end(tcp) && one->given == one->held && !tcp->fin_wanted) {
        tcp_finish(tcp);
        progress = true;
    }
    if (tcp_is_done(tcp)) {
        printf("net: %s %lu bytes%s%s\n", one->echo ? "echoed" : "swallowed", one->count, one->bad ? ", not the pattern" : "",
               tcp->reset ? ", reset" : "");
        tcp_free(tcp);
        one->tcp = NULL;
    }
    return progress;
}

static void take_in(u16 port) {
    for (unsigned i = 0; i < SERVED; i++) {
        if (served[i].tcp == NULL) {
            struct tcp *tcp = tcp_accept(port);
            if (tcp == NULL) {
                return;
            }
            served[i] = (struct served){.tcp = tcp, .echo = port == 7};
        }
    }
}

static void do_serve(void) {
    u64 seconds = cmdline_u64("seconds", 0);
    u64 deadline = seconds == 0 ? ~0ul : time_now() + seconds * NS_PER_S;
    on_datagram = serve_datagram;
    tcp_listen(7);
    tcp_listen(9);
    printf("net: serving\n");
    u64 look = time_now() + NS_PER_S, packets = 0;
    while (time_now() < deadline) {
        take_in(7);
        take_in(9);
        bool progress = false;
        for (unsigned i = 0; i < SERVED; i++) {
            if (served[i].tcp != NULL) {
                progress |= serve_one(&served[i]);
            }
        }
        stack_wait(progress ? 0 : look);
        if (time_now() >= look) {
            if (swallowed_packets != packets) {
                packets = swallowed_packets;
                printf("net: swallowed %lu packets, %lu bytes\n", swallowed_packets, swallowed_bytes);
            }
            if (netfront_must_close()) {
                printf("net: closing\n");
                netfront_close();
                return;
            }
            look = time_now() + NS_PER_S;
        }
    }
}

void kernel_main(void) {
    char text[64];
    const char *end;
    bool offload = !cmdline_has("no-offload");
    netfront_open(offload);
    stack_init(offload);
    tcp_large_segments = offload && cmdline_has("large");
    if (cmdline_string("ip", text, sizeof text)) {
        ip_config.address = parse_ip(text, &end);
        u64 bits = *end == '/' ? parse_u64(end + 1, &end) : 24;
        ip_config.mask = bits == 0 ? 0 : ~0u << (32 - bits);
        if (cmdline_string("gw", text, sizeof text)) {
            ip_config.gateway = parse_ip(text, &end);
        }
    } else if (!dhcp(time_now() + PATIENCE)) {
        failed("dhcp");
    }
    printf("net: %02x:%02x:%02x:%02x:%02x:%02x is %u.%u.%u.%u, gateway %u.%u.%u.%u, resolver %u.%u.%u.%u\n", netfront_mac[0],
           netfront_mac[1], netfront_mac[2], netfront_mac[3], netfront_mac[4], netfront_mac[5], IP_ARGS(ip_config.address),
           IP_ARGS(ip_config.gateway), IP_ARGS(ip_config.resolver));
    if (cmdline_string("ping", text, sizeof text)) {
        do_ping(parse_ip(text, &end));
    }
    if (cmdline_string("resolve", text, sizeof text)) {
        do_resolve(text);
    }
    if (cmdline_string("fetch", text, sizeof text)) {
        do_fetch(text);
    }
    if (cmdline_string("pour", text, sizeof text)) {
        do_pour(text);
    }
    if (cmdline_string("blast", text, sizeof text)) {
        do_blast(text);
    }
    if (cmdline_has("serve")) {
        do_serve();
    }
    printf("net: %lu packets received, %lu sent, %lu bad sums\n", stack_received, stack_sent, stack_bad_sums);
}
