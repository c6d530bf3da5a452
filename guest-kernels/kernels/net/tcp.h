/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP (RFC 9293) for programs that echo, fetch and pour: in order, with retransmission, a fixed window, segments as large
 * as the interface can cut. What arrives out of order is dropped and asked for again.
 */
#ifndef NET_TCP_H
#define NET_TCP_H

#include "types.h"

#define TCP_BUFFER 65536u /* of each direction; a power of two */

enum tcp_state { TCP_FREE, TCP_SYN_SENT, TCP_SYN_RECEIVED, TCP_OPEN, TCP_OVER };

struct tcp {
    enum tcp_state state;
    u32 peer;
    u16 local_port, peer_port;
    u32 snd_una, snd_nxt, snd_end, snd_window; /* snd_end: behind what the program has written */
    u32 snd_max;                                /* behind what has ever been sent */
    u32 rcv_nxt, rcv_read;
    u16 mss;
    u8 peer_scale;
    bool fin_wanted, fin_sent, fin_acked, fin_received, reset, must_ack;
    u32 advertised;
    u64 timer, rto;
    u32 tries;
    u8 *send, *receive;
};

void tcp_input(u32 from, const u8 *segment, u32 length);

/* Sends what may be sent, and again what has not been acknowledged in time. Returns the next deadline. */
u64 tcp_poll(void);

struct tcp *tcp_connect(u32 to, u16 port);
void tcp_listen(u16 port);
/* A connection to the port that has come to be; NULL if there is none that has not been given out. */
struct tcp *tcp_accept(u16 port);

u32 tcp_read(struct tcp *tcp, void *data, u32 size);
u32 tcp_write(struct tcp *tcp, const void *data, u32 size);
/* Everything that was written is to arrive, then the end. */
void tcp_finish(struct tcp *tcp);
void tcp_free(struct tcp *tcp);

static inline bool tcp_at_end(const struct tcp *tcp) {
    return tcp->reset || (tcp->fin_received && tcp->rcv_read + 1 == tcp->rcv_nxt);
}

static inline bool tcp_is_done(const struct tcp *tcp) {
    return tcp->reset || (tcp->fin_acked && tcp->fin_received);
}

#endif
