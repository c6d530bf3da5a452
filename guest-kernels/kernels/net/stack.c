/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/net/stack.h"

#include "kernels/net/netfront.h"
#include "kernels/net/tcp.h"

#include "console.h"
#include "events.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

enum { ETH = 14, TYPE_IP = 0x0800, TYPE_ARP = 0x0806 };
enum { ARP_REQUEST = 1, ARP_REPLY = 2, ARP_SIZE = 28 };
enum { IP_HEADER = 20, IP_TTL = 64 };
enum { ECHO_REPLY = 0, ECHO = 8 };
#define NEIGHBOURS 16
#define ARP_AGAIN_NS (200 * NS_PER_MS)

struct ip_config ip_config;
u64 stack_received, stack_sent, stack_bad_sums;
void (*on_echo_reply)(u32 from, u16 sequence, u32 length);
void (*on_datagram)(u32 from, u16 from_port, u16 to_port, const u8 *data, u32 length);

static bool offloading;
static u8 out[FRAME_MAX + 64], in[FRAME_MAX + 64];
static u16 next_id;

static struct neighbour {
    u32 ip;
    bool known;
    u8 mac[6];
    u64 asked;
} neighbours[NEIGHBOURS];

static struct {
    bool waiting;
    u32 xid, offered, server, acknowledged;
} dhcp_state;

static void dhcp_input(const u8 *data, u32 length);

u16 get16(const u8 *at) {
    return (u16)(at[0] << 8 | at[1]);
}

u32 get32(const u8 *at) {
    return (u32)get16(at) << 16 | get16(at + 2);
}

void put16(u8 *at, u32 value) {
    at[0] = (u8)(value >> 8);
    at[1] = (u8)value;
}

void put32(u8 *at, u32 value) {
    put16(at, value >> 16);
    put16(at + 2, value);
}

u32 parse_ip(const char *text, const char **end) {
    u32 ip = 0;
    for (unsigned i = 0; i < 4; i++) {
        ip = ip << 8 | (u8)parse_u64(text, &text);
        if (i < 3 && *text == '.') {
            text++;
        }
    }
    *end = text;
    return ip;
}

static u64 sum_add(u64 sum, const u8 *data, u32 length) {
    for (; length >= 2; data += 2, length -= 2) {
        sum += get16(data);
    }
    return length != 0 ? sum + (u64)(data[0] << 8) : sum;
}

static u16 sum_fold(u64 sum) {
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (u16)sum;
}

static u64 pseudo_header(u32 source, u32 destination, u8 protocol, u32 length) {
    return (source >> 16) + (source & 0xffff) + (destination >> 16) + (destination & 0xffff) + protocol + length;
}

/* ---- Ethernet and ARP ---- */

static bool send_frame(const u8 *to, u16 type, u32 length, struct offload offload) {
    memcpy(out, to, 6);
    memcpy(out + 6, netfront_mac, 6);
    put16(out + 12, type);
    bool sent = netfront_send(out, ETH + length, offload);
    stack_sent += sent;
    return sent;
}

static void send_arp(u16 operation, const u8 *to, u32 to_ip) {
    static const u8 everybody[6] = {255, 255, 255, 255, 255, 255};
    u8 *arp = out + ETH;
    put16(arp, 1);
    put16(arp + 2, TYPE_IP);
    arp[4] = 6;
    arp[5] = 4;
    put16(arp + 6, operation);
    memcpy(arp + 8, netfront_mac, 6);
    put32(arp + 14, ip_config.address);
    memcpy(arp + 18, to, 6);
    put32(arp + 24, to_ip);
    send_frame(operation == ARP_REQUEST ? everybody : to, TYPE_ARP, ARP_SIZE, (struct offload){0});
}

static struct neighbour *find(u32 ip, bool make) {
    static unsigned next;
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        if (neighbours[i].ip == ip) {
            return &neighbours[i];
        }
    }
    if (!make) {
        return NULL;
    }
    struct neighbour *neighbour = &neighbours[next++ % NEIGHBOURS];
    *neighbour = (struct neighbour){.ip = ip};
    return neighbour;
}

static void arp_input(const u8 *arp, u32 length) {
    if (length < ARP_SIZE || get16(arp) != 1 || get16(arp + 2) != TYPE_IP) {
        return;
    }
    u8 sender[6];
    memcpy(sender, arp + 8, 6);
    u32 sender_ip = get32(arp + 14);
    bool for_us = get32(arp + 24) == ip_config.address && ip_config.address != 0;
    struct neighbour *neighbour = find(sender_ip, for_us);
    if (neighbour != NULL) {
        memcpy(neighbour->mac, sender, 6);
        neighbour->known = true;
    }
    if (for_us && get16(arp + 6) == ARP_REQUEST) {
        send_arp(ARP_REPLY, sender, sender_ip);
    }
}

/* ---- IP ---- */

static u32 next_hop(u32 to) {
    return ip_config.gateway != 0 && ((to ^ ip_config.address) & ip_config.mask) != 0 ? ip_config.gateway : to;
}

bool ip_reachable(u32 to) {
    struct neighbour *neighbour = find(next_hop(to), true);
    if (neighbour->known) {
        return true;
    }
    if (time_now() >= neighbour->asked) {
        neighbour->asked = time_now() + ARP_AGAIN_NS;
        send_arp(ARP_REQUEST, (const u8[6]){0}, neighbour->ip);
    }
    return false;
}

u8 *ip_payload(void) {
    return out + ETH + IP_HEADER;
}

bool ip_send(u32 to, u8 protocol, u32 length, int sum, u16 gso_size) {
    static const u8 everybody[6] = {255, 255, 255, 255, 255, 255};
    u8 *ip = out + ETH;
    struct neighbour *neighbour = to == ~0u ? NULL : find(next_hop(to), false);
    if (to != ~0u && (neighbour == NULL || !neighbour->known)) {
        /* Asking overwrites what was to be sent; whoever sends again builds it again. */
        ip_reachable(to);
        return false;
    }
    memset(ip, 0, IP_HEADER);
    ip[0] = 0x45;
    put16(ip + 2, IP_HEADER + length);
    put16(ip + 4, next_id++);
    put16(ip + 6, 0x4000); /* do not fragment */
    ip[8] = IP_TTL;
    ip[9] = protocol;
    put32(ip + 12, ip_config.address);
    put32(ip + 16, to);
    put16(ip + 10, ~sum_fold(sum_add(0, ip, IP_HEADER)));
    struct offload offload = {.checksum_blank = sum >= 0 && offloading, .gso_size = gso_size};
    if (sum >= 0) {
        u8 *payload = ip + IP_HEADER;
        u64 pseudo = pseudo_header(ip_config.address, to, protocol, length);
        put16(payload + sum, 0);
        if (offloading) {
            put16(payload + sum, sum_fold(pseudo));
        } else {
            u16 complete = (u16)~sum_fold(sum_add(pseudo, payload, length));
            put16(payload + sum, complete == 0 && protocol == PROTO_UDP ? 0xffff : complete);
        }
    }
    return send_frame(neighbour == NULL ? everybody : neighbour->mac, TYPE_IP, IP_HEADER + length, offload);
}

/* ---- ICMP and UDP ---- */

bool ping(u32 to, u16 sequence, u32 length) {
    u8 *icmp = ip_payload();
    memset(icmp, 0, 8);
    icmp[0] = ECHO;
    put16(icmp + 4, 0x646f);
    put16(icmp + 6, sequence);
    for (u32 i = 0; i < length; i++) {
        icmp[8 + i] = (u8)i;
    }
    put16(icmp + 2, ~sum_fold(sum_add(0, icmp, 8 + length)));
    return ip_send(to, PROTO_ICMP, 8 + length, -1, 0);
}

static void icmp_input(u32 from, const u8 *icmp, u32 length) {
    if (length < 8 || sum_fold(sum_add(0, icmp, length)) != 0xffff) {
        stack_bad_sums += length >= 8;
        return;
    }
    if (icmp[0] == ECHO) {
        if (!ip_reachable(from)) {
            return;
        }
        u8 *reply = ip_payload();
        memcpy(reply, icmp, length);
        reply[0] = ECHO_REPLY;
        put16(reply + 2, 0);
        put16(reply + 2, ~sum_fold(sum_add(0, reply, length)));
        ip_send(from, PROTO_ICMP, length, -1, 0);
    } else if (icmp[0] == ECHO_REPLY && on_echo_reply != NULL) {
        for (u32 i = 8; i < length; i++) {
            if (icmp[i] != (u8)(i - 8)) {
                return;
            }
        }
        on_echo_reply(from, get16(icmp + 6), length - 8);
    }
}

bool udp_send(u32 to, u16 from_port, u16 to_port, const void *data, u32 length) {
    if (to != ~0u && !ip_reachable(to)) {
        return false;
    }
    u8 *udp = ip_payload();
    put16(udp, from_port);
    put16(udp + 2, to_port);
    put16(udp + 4, 8 + length);
    memcpy(udp + 8, data, length);
    return ip_send(to, PROTO_UDP, 8 + length, 6, 0);
}

static void udp_input(u32 from, const u8 *udp, u32 length) {
    if (length < 8 || get16(udp + 4) < 8 || get16(udp + 4) > length) {
        return;
    }
    u32 size = get16(udp + 4) - 8u;
    if (get16(udp + 2) == 68) {
        dhcp_input(udp + 8, size);
    } else if (on_datagram != NULL) {
        on_datagram(from, get16(udp), get16(udp + 2), udp + 8, size);
    }
}

static void ip_input(const u8 *ip, u32 length, bool blank) {
    u32 header = (ip[0] & 15) * 4u;
    u32 total = get16(ip + 2);
    if (length < IP_HEADER || ip[0] >> 4 != 4 || header < IP_HEADER || total < header || total > length) {
        return;
    }
    if (sum_fold(sum_add(0, ip, header)) != 0xffff) {
        stack_bad_sums++;
        return;
    }
    u32 to = get32(ip + 16);
    if ((to != ip_config.address && to != ~0u && ip_config.address != 0) || (get16(ip + 6) & 0x3fff) != 0) {
        return;
    }
    u32 from = get32(ip + 12);
    const u8 *payload = ip + header;
    u32 size = total - header;
    bool has_sum = ip[9] == PROTO_TCP || (ip[9] == PROTO_UDP && size >= 8 && get16(payload + 6) != 0);
    if (has_sum && !blank && sum_fold(sum_add(pseudo_header(from, to, ip[9], size), payload, size)) != 0xffff) {
        stack_bad_sums++;
        return;
    }
    if (ip[9] == PROTO_ICMP) {
        icmp_input(from, payload, size);
    } else if (ip[9] == PROTO_UDP) {
        udp_input(from, payload, size);
    } else if (ip[9] == PROTO_TCP) {
        tcp_input(from, payload, size);
    }
}

/* ---- DHCP ---- */

static u32 option(u8 *options, u32 at, u8 code, u32 value) {
    options[at] = code;
    options[at + 1] = 4;
    put32(options + at + 2, value);
    return at + 6;
}

static void dhcp_send(u8 type) {
    static u8 message[300];
    memset(message, 0, sizeof message);
    message[0] = 1;
    message[1] = 1;
    message[2] = 6;
    put32(message + 4, dhcp_state.xid);
    memcpy(message + 28, netfront_mac, 6);
    put32(message + 236, 0x63825363);
    u8 *options = message + 240;
    options[0] = 53;
    options[1] = 1;
    options[2] = type;
    u32 at = 3;
    if (type == 3) {
        at = option(options, at, 50, dhcp_state.offered);
        at = option(options, at, 54, dhcp_state.server);
    }
    options[at] = 255;
    udp_send(~0u, 68, 67, message, sizeof message);
}

static void dhcp_input(const u8 *data, u32 length) {
    if (!dhcp_state.waiting || length < 244 || data[0] != 2 || get32(data + 4) != dhcp_state.xid) {
        return;
    }
    u8 type = 0;
    struct ip_config got = {.address = get32(data + 16)};
    u32 server = 0;
    for (u32 at = 240; at + 1 < length && data[at] != 255;) {
        if (data[at] == 0) {
            at++;
            continue;
        }
        u8 size = data[at + 1];
        if (at + 2 + size > length) {
            break;
        }
        const u8 *value = data + at + 2;
        if (data[at] == 53 && size == 1) {
            type = value[0];
        } else if (size >= 4) {
            u32 word = get32(value);
            got.mask = data[at] == 1 ? word : got.mask;
            got.gateway = data[at] == 3 ? word : got.gateway;
            got.resolver = data[at] == 6 ? word : got.resolver;
            server = data[at] == 54 ? word : server;
        }
        at += 2u + size;
    }
    if (type == 2) {
        dhcp_state.offered = got.address;
        dhcp_state.server = server;
        dhcp_send(3);
    } else if (type == 5) {
        ip_config = got;
        dhcp_state.acknowledged = got.address;
    }
}

bool dhcp(u64 deadline) {
    dhcp_state.waiting = true;
    while (dhcp_state.acknowledged == 0 && time_now() < deadline) {
        dhcp_state.xid = (u32)time_now();
        dhcp_send(1);
        u64 again = time_now() + NS_PER_S;
        while (dhcp_state.acknowledged == 0 && time_now() < again) {
            stack_wait(again);
        }
    }
    dhcp_state.waiting = false;
    return dhcp_state.acknowledged != 0;
}

/* ---- the loop ---- */

void stack_init(bool offload) {
    offloading = offload;
}

void stack_poll(void) {
    struct offload offload;
    u32 length;
    while ((length = netfront_receive(in, &offload)) != 0) {
        stack_received++;
        if (length < ETH) {
            continue;
        }
        u16 type = get16(in + 12);
        if (type == TYPE_ARP) {
            arp_input(in + ETH, length - ETH);
        } else if (type == TYPE_IP && length >= ETH + IP_HEADER) {
            ip_input(in + ETH, length - ETH, offload.checksum_blank);
        }
    }
}

void stack_wait(u64 deadline) {
    stack_poll();
    u64 timer = tcp_poll();
    u64 until = timer < deadline ? timer : deadline;
    events_disable();
    if (!netfront_has_work() && time_now() < until) {
        time_set_timer(until);
        events_block();
    } else {
        events_enable();
    }
    stack_poll();
    tcp_poll();
}
