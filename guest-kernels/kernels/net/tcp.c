/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/net/tcp.h"

#include "kernels/net/stack.h"

#include "console.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { HEADER = 20, SYN_HEADER = 28, SCALE = 0 };
#define CONNECTIONS 8
#define MSS 1460
#define LARGEST 32768 /* a segment that the interface cuts */
#define FIRST_RTO (200 * NS_PER_MS)
#define LAST_RTO (5 * NS_PER_S)
#define TRIES 12

extern bool tcp_large_segments;
bool tcp_large_segments;

static struct tcp connections[CONNECTIONS];
static u8 buffers[CONNECTIONS][2][TCP_BUFFER];
static bool given_out[CONNECTIONS];
static u16 listening[4], listening_count, next_port = 40000;

static struct tcp *find(u32 peer, u16 peer_port, u16 local_port) {
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct tcp *tcp = &connections[i];
        if (tcp->state != TCP_FREE && tcp->peer == peer && tcp->peer_port == peer_port && tcp->local_port == local_port) {
            return tcp;
        }
    }
    return NULL;
}

static struct tcp *new_connection(u32 peer, u16 peer_port, u16 local_port) {
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct tcp *tcp = &connections[i];
        if (tcp->state == TCP_FREE) {
            u32 first = (u32)time_now();
            *tcp = (struct tcp){.peer = peer, .peer_port = peer_port, .local_port = local_port, .snd_una = first,
                .snd_nxt = first, .snd_max = first, .snd_end = first + 1, .mss = 536, .rto = FIRST_RTO,
                .send = buffers[i][0], .receive = buffers[i][1]};
            given_out[i] = false;
            return tcp;
        }
    }
    return NULL;
}

static u32 receive_room(const struct tcp *tcp) {
    u32 used = tcp->rcv_nxt - tcp->rcv_read - tcp->fin_received;
    u32 room = TCP_BUFFER - used;
    return room > 65535 ? 65535 : room;
}

static void copy_ring(u8 *ring, u32 at, u8 *plain, u32 length, bool into_ring) {
    for (u32 done = 0; done < length;) {
        u32 place = (at + done) % TCP_BUFFER;
        u32 part = TCP_BUFFER - place < length - done ? TCP_BUFFER - place : length - done;
        memcpy(into_ring ? ring + place : plain + done, into_ring ? plain + done : ring + place, part);
        done += part;
    }
}

static bool send_segment(struct tcp *tcp, u32 sequence, u8 flags, u32 length) {
    if (!ip_reachable(tcp->peer)) {
        return false;
    }
    u8 *segment = ip_payload();
    u32 header = flags & SYN ? SYN_HEADER : HEADER;
    memset(segment, 0, header);
    put16(segment, tcp->local_port);
    put16(segment + 2, tcp->peer_port);
    put32(segment + 4, sequence);
    put32(segment + 8, flags & ACK ? tcp->rcv_nxt : 0);
    segment[12] = (u8)(header << 2);
    segment[13] = flags;
    put16(segment + 14, receive_room(tcp));
    if (flags & SYN) {
        put32(segment + 20, 0x02040000 | MSS);
        put32(segment + 24, 0x01030300 | SCALE); /* no scale of ours; the peer may have one */
    }
    if (length > 0) {
        copy_ring(tcp->send, sequence, segment + header, length, false);
    }
    bool sent = ip_send(tcp->peer, PROTO_TCP, header + length, 16, length > tcp->mss ? tcp->mss : 0);
    if (sent) {
        tcp->must_ack = false;
        tcp->advertised = receive_room(tcp);
    }
    return sent;
}

static void send_reset(u32 to, const u8 *segment, u32 length) {
    u32 sequence = get32(segment + 8), acknowledged = get32(segment + 4) + length - (segment[12] >> 4) * 4u + !!(segment[13] & SYN);
    bool has_ack = segment[13] & ACK;
    u16 local = get16(segment + 2), peer = get16(segment);
    if (!ip_reachable(to)) {
        return;
    }
    u8 *reset = ip_payload();
    memset(reset, 0, HEADER);
    put16(reset, local);
    put16(reset + 2, peer);
    put32(reset + 4, has_ack ? sequence : 0);
    put32(reset + 8, acknowledged);
    reset[12] = HEADER << 2;
    reset[13] = RST | ACK;
    ip_send(to, PROTO_TCP, HEADER, 16, 0);
}

static void take_options(struct tcp *tcp, const u8 *segment) {
    const u8 *end = segment + (segment[12] >> 4) * 4;
    for (const u8 *at = segment + HEADER; at < end && at[0] != 0;) {
        if (at[0] == 1) {
            at++;
            continue;
        }
        if (at + 1 >= end || at[1] < 2 || at + at[1] > end) {
            return;
        }
        if (at[0] == 2 && at[1] == 4) {
            u16 mss = get16(at + 2);
            tcp->mss = mss < 64 ? 64 : mss > MSS ? MSS : mss;
        } else if (at[0] == 3 && at[1] == 3) {
            tcp->peer_scale = at[2] > 14 ? 14 : at[2];
        }
        at += at[1];
    }
}

static void restart_timer(struct tcp *tcp) {
    tcp->tries = 0;
    tcp->rto = FIRST_RTO;
    tcp->timer = time_now() + tcp->rto;
}

static void take_ack(struct tcp *tcp, u32 acknowledged, u32 window) {
    if (acknowledged - tcp->snd_una <= tcp->snd_max - tcp->snd_una) {
        if (acknowledged != tcp->snd_una) {
            tcp->snd_una = acknowledged;
            if ((s32)(tcp->snd_nxt - acknowledged) < 0) {
                tcp->snd_nxt = acknowledged;
            }
            tcp->fin_acked = tcp->fin_sent && acknowledged == tcp->snd_end + 1;
            restart_timer(tcp);
        }
        tcp->snd_window = window;
    }
}

void tcp_input(u32 from, const u8 *segment, u32 length) {
    if (length < HEADER || (segment[12] >> 4) * 4u < HEADER || (segment[12] >> 4) * 4u > length) {
        return;
    }
    u16 peer_port = get16(segment), local_port = get16(segment + 2);
    u8 flags = segment[13];
    u32 sequence = get32(segment + 4);
    struct tcp *tcp = find(from, peer_port, local_port);
    if (tcp == NULL) {
        for (unsigned i = 0; i < listening_count; i++) {
            if (listening[i] == local_port && (flags & (SYN | ACK | RST)) == SYN) {
                tcp = new_connection(from, peer_port, local_port);
            }
        }
        if (tcp == NULL) {
            if (!(flags & RST)) {
                send_reset(from, segment, length);
            }
            return;
        }
        tcp->state = TCP_SYN_RECEIVED;
        tcp->rcv_nxt = tcp->rcv_read = sequence + 1;
        tcp->snd_window = get16(segment + 14);
        take_options(tcp, segment);
        return; /* tcp_poll() answers */
    }
    if (tcp->state == TCP_SYN_SENT) {
        if ((flags & ACK) && get32(segment + 8) != tcp->snd_una + 1) {
            return;
        }
        if (flags & RST) {
            tcp->reset = flags & ACK;
            return;
        }
        if ((flags & (SYN | ACK)) != (SYN | ACK)) {
            return;
        }
        take_options(tcp, segment);
        tcp->rcv_nxt = tcp->rcv_read = sequence + 1;
        tcp->state = TCP_OPEN;
        take_ack(tcp, get32(segment + 8), get16(segment + 14));
        tcp->must_ack = true;
        return;
    }
    if (flags & RST) {
        if (sequence == tcp->rcv_nxt) {
            tcp->reset = true;
        }
        return;
    }
    if (flags & SYN) {
        tcp->must_ack = true;
        if (tcp->state == TCP_SYN_RECEIVED) {
            tcp->snd_nxt = tcp->snd_una; /* our answer was lost */
        }
        return;
    }
    if (!(flags & ACK)) {
        return;
    }
    take_ack(tcp, get32(segment + 8), (u32)get16(segment + 14) << tcp->peer_scale);
    if (tcp->state == TCP_SYN_RECEIVED) {
        if (tcp->snd_una != tcp->snd_end) {
            return; /* our SYN has not been acknowledged */
        }
        tcp->state = TCP_OPEN;
    }
    const u8 *data = segment + (segment[12] >> 4) * 4;
    u32 size = length - (segment[12] >> 4) * 4u;
    u32 behind = tcp->rcv_nxt - sequence; /* of this segment we have so much already */
    if (size > 0 || (flags & FIN)) {
        tcp->must_ack = true;
    }
    if (tcp->fin_received || (s32)behind < 0 || behind > size) {
        return;
    }
    data += behind;
    size -= behind;
    u32 room = receive_room(tcp);
    bool whole = size <= room;
    u32 taken = whole ? size : room;
    copy_ring(tcp->receive, tcp->rcv_nxt, (u8 *)data, taken, true);
    tcp->rcv_nxt += taken;
    if ((flags & FIN) && whole) {
        tcp->rcv_nxt++;
        tcp->fin_received = true;
    }
}

/* Sends what the window allows; the SYN counts as one byte before the first. */
static void output(struct tcp *tcp) {
    if (tcp->state == TCP_SYN_SENT || tcp->state == TCP_SYN_RECEIVED) {
        if (tcp->snd_nxt == tcp->snd_una && send_segment(tcp, tcp->snd_una, tcp->state == TCP_SYN_SENT ? SYN : SYN | ACK, 0)) {
            tcp->snd_nxt = tcp->snd_una + 1;
            tcp->snd_max = tcp->snd_nxt;
            tcp->timer = time_now() + tcp->rto;
        }
        return;
    }
    for (;;) {
        u32 limit = tcp->snd_una + (tcp->snd_window == 0 && tcp->tries > 0 ? 1 : tcp->snd_window);
        u32 unsent = tcp->snd_end - tcp->snd_nxt;
        s32 allowed = (s32)(limit - tcp->snd_nxt);
        if ((s32)unsent <= 0 || allowed <= 0) {
            break;
        }
        u32 most = tcp_large_segments ? LARGEST : tcp->mss;
        u32 size = unsent < most ? unsent : most;
        size = size < (u32)allowed ? size : (u32)allowed;
        if (size > tcp->mss) {
            size -= size % tcp->mss;
        }
        if (!send_segment(tcp, tcp->snd_nxt, ACK | (size == unsent ? PSH : 0), size)) {
            return;
        }
        if (tcp->snd_nxt == tcp->snd_una) {
            tcp->timer = time_now() + tcp->rto;
        }
        tcp->snd_nxt += size;
        tcp->snd_max = (s32)(tcp->snd_nxt - tcp->snd_max) > 0 ? tcp->snd_nxt : tcp->snd_max;
    }
    if (tcp->fin_wanted && tcp->snd_nxt == tcp->snd_end && !tcp->fin_acked) {
        if (send_segment(tcp, tcp->snd_nxt, ACK | FIN, 0)) {
            tcp->fin_sent = true;
            tcp->timer = tcp->snd_una == tcp->snd_nxt ? time_now() + tcp->rto : tcp->timer;
            tcp->snd_nxt++;
            tcp->snd_max = (s32)(tcp->snd_nxt - tcp->snd_max) > 0 ? tcp->snd_nxt : tcp->snd_max;
        }
    } else if (tcp->must_ack || (tcp->advertised < TCP_BUFFER / 2 && receive_room(tcp) >= TCP_BUFFER / 2)) {
        send_segment(tcp, tcp->snd_nxt, ACK, 0);
    }
}

static bool has_unacknowledged(const struct tcp *tcp) {
    return tcp->snd_nxt != tcp->snd_una || (tcp->snd_window == 0 && tcp->snd_end != tcp->snd_una);
}

u64 tcp_poll(void) {
    u64 now = time_now(), next = ~0ul;
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct tcp *tcp = &connections[i];
        if (tcp->state == TCP_FREE || tcp->reset) {
            continue;
        }
        if (tcp->timer == 0) {
            tcp->timer = now + tcp->rto;
        }
        if (has_unacknowledged(tcp) && now >= tcp->timer) {
            if (++tcp->tries > TRIES) {
                tcp->reset = true;
                continue;
            }
            tcp->snd_nxt = tcp->snd_una;
            tcp->fin_sent = false;
            tcp->rto = tcp->rto * 2 < LAST_RTO ? tcp->rto * 2 : LAST_RTO;
            tcp->timer = now + tcp->rto;
        }
        output(tcp);
        if (has_unacknowledged(tcp) && tcp->timer < next) {
            next = tcp->timer;
        }
        if (tcp->snd_nxt == tcp->snd_una && tcp->state != TCP_OPEN) {
            next = now + 100 * NS_PER_MS < next ? now + 100 * NS_PER_MS : next; /* an address is still being asked for */
        }
    }
    return next;
}

struct tcp *tcp_connect(u32 to, u16 port) {
    struct tcp *tcp = new_connection(to, port, next_port++);
    if (tcp == NULL) {
        panic("net: out of connections");
    }
    tcp->state = TCP_SYN_SENT;
    given_out[tcp - connections] = true;
    return tcp;
}

void tcp_listen(u16 port) {
    listening[listening_count++] = port;
}

struct tcp *tcp_accept(u16 port) {
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        if (connections[i].state == TCP_OPEN && connections[i].local_port == port && !given_out[i]) {
            given_out[i] = true;
            return &connections[i];
        }
    }
    return NULL;
}

u32 tcp_read(struct tcp *tcp, void *data, u32 size) {
    u32 there = tcp->rcv_nxt - tcp->rcv_read - tcp->fin_received;
    u32 taken = size < there ? size : there;
    copy_ring(tcp->receive, tcp->rcv_read, data, taken, false);
    tcp->rcv_read += taken;
    return taken;
}

u32 tcp_write(struct tcp *tcp, const void *data, u32 size) {
    if (tcp->state != TCP_OPEN || tcp->reset || tcp->fin_wanted) {
        return 0;
    }
    u32 room = TCP_BUFFER - (tcp->snd_end - tcp->snd_una);
    u32 taken = size < room ? size : room;
    copy_ring(tcp->send, tcp->snd_end, (u8 *)data, taken, true);
    tcp->snd_end += taken;
    return taken;
}

void tcp_finish(struct tcp *tcp) {
    tcp->fin_wanted = true;
}

void tcp_free(struct tcp *tcp) {
    tcp->state = TCP_FREE;
}
