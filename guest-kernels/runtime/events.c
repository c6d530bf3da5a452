/* SPDX-License-Identifier: Apache-2.0 */
/* The two-level event ABI (xen-pv-abi.md, 10.1) on one vCPU. */
#include "events.h"

#include "hypercall.h"
#include "runtime.h"

static struct {
    event_handler handler;
    void *argument;
} ports[EVENT_PORTS];

void events_init(void) {
    for (unsigned i = 0; i < EVENT_WORDS; i++) {
        WRITE_ONCE(shared_info.evtchn_mask[i], ~0ul);
    }
}

/* The hypervisor has masked events and leaves clearing "pending" to the guest, which must come before the scan. */
void events_upcall(void) {
    struct vcpu_info *vcpu = this_vcpu();
    WRITE_ONCE(vcpu->evtchn_upcall_pending, 0);
    u64 words = __atomic_exchange_n(&vcpu->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

    for (; words != 0; words &= words - 1) {
        unsigned word = (unsigned)__builtin_ctzl(words);
        u64 ready;
        while ((ready = READ_ONCE(shared_info.evtchn_pending[word]) & ~READ_ONCE(shared_info.evtchn_mask[word])) != 0) {
            u32 port = word * 64 + (unsigned)__builtin_ctzl(ready);
            event_clear(port);
            if (port < EVENT_PORTS && ports[port].handler != NULL) {
                ports[port].handler(port, ports[port].argument);
            }
        }
    }
}

bool events_disable(void) {
    bool enabled = READ_ONCE(this_vcpu()->evtchn_upcall_mask) == 0;
    WRITE_ONCE(this_vcpu()->evtchn_upcall_mask, 1);
    compiler_barrier();
    return enabled;
}

/* Clearing the mask has no effect by itself: what came while it was set is delivered by the next hypercall (8.4). */
void events_enable(void) {
    compiler_barrier();
    WRITE_ONCE(this_vcpu()->evtchn_upcall_mask, 0);
    compiler_barrier();
    if (READ_ONCE(this_vcpu()->evtchn_upcall_pending)) {
        hv_xen_version(XENVER_VERSION, NULL);
    }
}

void events_restore(bool enabled) {
    if (enabled) {
        events_enable();
    }
}

void events_block(void) {
    hv_sched_op(SCHEDOP_BLOCK, NULL); /* clears the mask itself, so no event can slip in between */
}

s64 event_alloc_unbound(u16 remote_domain) {
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = remote_domain};
    s64 result = hv_event_channel_op(EVTCHNOP_ALLOC_UNBOUND, &op);
    return result < 0 ? result : op.port;
}

s64 event_bind_interdomain(u16 remote_domain, u32 remote_port) {
    struct evtchn_bind_interdomain op = {.remote_dom = remote_domain, .remote_port = remote_port};
    s64 result = hv_event_channel_op(EVTCHNOP_BIND_INTERDOMAIN, &op);
    return result < 0 ? result : op.local_port;
}

s64 event_bind_virq(u32 virq) {
    struct evtchn_bind_virq op = {.virq = virq, .vcpu = 0};
    s64 result = hv_event_channel_op(EVTCHNOP_BIND_VIRQ, &op);
    return result < 0 ? result : op.port;
}

s64 event_bind_pirq(u32 pirq) {
    struct evtchn_bind_pirq op = {.pirq = pirq};
    s64 result = hv_event_channel_op(EVTCHNOP_BIND_PIRQ, &op);
    return result < 0 ? result : op.port;
}

s64 event_close(u32 port) {
    __atomic_fetch_or(&shared_info.evtchn_mask[port / 64], 1ul << port % 64, __ATOMIC_SEQ_CST);
    if (port < EVENT_PORTS) {
        ports[port].handler = NULL;
    }
    return hv_event_channel_op(EVTCHNOP_CLOSE, &port);
}

void event_set_handler(u32 port, event_handler handler, void *argument) {
    if (port >= EVENT_PORTS) {
        panic("event port %u is beyond the runtime's %u", port, EVENT_PORTS);
    }
    ports[port].argument = argument;
    ports[port].handler = handler;
    must_succeed("evtchn_unmask", hv_event_channel_op(EVTCHNOP_UNMASK, &port));
}

void event_send(u32 port) {
    must_succeed("evtchn_send", hv_event_channel_op(EVTCHNOP_SEND, &port));
}

void event_clear(u32 port) {
    __atomic_fetch_and(&shared_info.evtchn_pending[port / 64], ~(1ul << port % 64), __ATOMIC_SEQ_CST);
}

void event_poll(u32 port, u64 deadline) {
    struct sched_poll poll = {.ports = &port, .nr_ports = 1, .timeout = deadline};
    must_succeed("sched_poll", hv_sched_op(SCHEDOP_POLL, &poll));
}
