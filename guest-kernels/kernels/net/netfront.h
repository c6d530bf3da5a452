/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver of one network interface (public/io/netif.h of Xen 4.17; xen-pv-abi.md, 15.8): one queue, one event channel. It
 * sends what the stack has put together in one piece, over as many slots as it takes, and hands received packets over in
 * one piece too, whatever slots they came in.
 */
#ifndef NET_NETFRONT_H
#define NET_NETFRONT_H

#include "types.h"

#define FRAME_MAX 65553 /* 64 KiB of IP behind an Ethernet header, and a VLAN tag */

/* What a packet says beside its bytes. */
struct offload {
    bool checksum_blank; /* its TCP or UDP sum is not there, or holds the pseudo-header's only */
    u16 gso_size;        /* it is to be cut into segments of so many bytes; 0 for none */
};

extern u8 netfront_mac[6];

/* Connects to the backend of device/vif/0; panics if there is none. */
void netfront_open(bool offload);

/* Sends a frame; false if there is no room now. */
bool netfront_send(const u8 *frame, u32 length, struct offload offload);

/* Takes a frame that has come, of at most FRAME_MAX bytes; 0 if there is none. */
u32 netfront_receive(u8 *frame, struct offload *offload);

/* Whether something has come, or there is room again, since the last look. Asks to be woken. */
bool netfront_has_work(void);

/* Whether the backend wants the interface back. Asks xenstore: not for each packet. */
bool netfront_must_close(void);

void netfront_close(void);

#endif
