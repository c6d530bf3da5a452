/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small IPv4 stack over one interface: ARP (RFC 826), ICMP echo (RFC 792), UDP (RFC 768), a DHCP client (RFC 2131) and
 * TCP (tcp.h). No fragments, no routes but one, IPv4 addresses as numbers in host order.
 */
#ifndef NET_STACK_H
#define NET_STACK_H

#include "types.h"

struct ip_config {
    u32 address, mask, gateway, resolver;
};
extern struct ip_config ip_config;

/* Counts of what the stack has met. */
extern u64 stack_received, stack_sent, stack_bad_sums;

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17 };

u16 get16(const u8 *at);
u32 get32(const u8 *at);
void put16(u8 *at, u32 value);
void put32(u8 *at, u32 value);

/* "10.0.2.15"; *end is behind it. */
u32 parse_ip(const char *text, const char **end);
/* printf arguments for an address, format "%u.%u.%u.%u". */
#define IP_ARGS(ip) (ip) >> 24, (ip) >> 16 & 255, (ip) >> 8 & 255, (ip) & 255

void stack_init(bool offload);

/* Where to put what an IP packet carries, up to 64 KiB; for ip_send(). */
u8 *ip_payload(void);

/* Sends it, from this host; false if it could not be sent now. sum: where in it the TCP or UDP sum stands, else -1. */
bool ip_send(u32 to, u8 protocol, u32 length, int sum, u16 gso_size);

/* Whether the next hop's address is known; asks for it if it is not. */
bool ip_reachable(u32 to);

bool udp_send(u32 to, u16 from_port, u16 to_port, const void *data, u32 length);

/* Handles all that has come and all timers that have run out. */
void stack_poll(void);

/* Blocks until something comes or the deadline has passed, then handles it. */
void stack_wait(u64 deadline);

/* Handlers of the program's: an echo reply, and a datagram. */
extern void (*on_echo_reply)(u32 from, u16 sequence, u32 length);
extern void (*on_datagram)(u32 from, u16 from_port, u16 to_port, const u8 *data, u32 length);

bool ping(u32 to, u16 sequence, u32 length);

/* Asks for an address; false if nobody gives one in time. */
bool dhcp(u64 deadline);

#endif
