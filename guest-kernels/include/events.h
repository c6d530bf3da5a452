/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event channels: how the hypervisor and other domains get this domain's attention.
 *
 * A port with a handler interrupts the kernel (an upcall) while events are on. A port without one stays masked: it
 * interrupts nobody, and event_poll() waits for it. The console and xenstore are of that second kind, which keeps them
 * usable inside handlers and before events are on.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "types.h"

/* The toolstack's default limit for a domain. */
#define EVENT_PORTS 1024

typedef void (*event_handler)(u32 port, void *argument);

void events_init(void);
void events_upcall(void);

/* The virtual interrupt flag. disable returns whether events were on, for restore. */
bool events_disable(void);
void events_enable(void);
void events_restore(bool enabled);

/* Gives the vCPU away until an event arrives. Call with events off, after looking for work; returns with events on. */
void events_block(void);

/* Blocks until the condition, which an event announces, holds. Between the look and the block no event can slip in. */
#define WAIT_UNTIL(condition)    \
    do {                         \
        events_disable();        \
        while (!(condition)) {   \
            events_block();      \
            events_disable();    \
        }                        \
        events_enable();         \
    } while (0)

/* All that allocate return a port, or a negative errno. */
s64 event_alloc_unbound(u16 remote_domain);
s64 event_bind_interdomain(u16 remote_domain, u32 remote_port);
s64 event_bind_virq(u32 virq);
s64 event_bind_pirq(u32 pirq);
s64 event_close(u32 port);

/* From now on the port interrupts; an event that is already pending does so at once. */
void event_set_handler(u32 port, event_handler handler, void *argument);

void event_send(u32 port);

/*
 * Waiting for a masked port: clear, look at what the event would announce, then poll. An event that arrives between
 * the two leaves the port pending, and poll returns at once. deadline: system time in ns, 0 = wait for ever.
 */
void event_clear(u32 port);
void event_poll(u32 port, u64 deadline);

#endif
