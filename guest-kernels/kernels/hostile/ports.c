/* SPDX-License-Identifier: Apache-2.0 */
/* Event channels: ports that are not there, not ours, or bound to themselves; and the calls of privileged domains. */
#include "console.h"
#include "events.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

static s64 port_op(u32 cmd, u32 port) {
    u32 op[6] = {port};
    return hv_event_channel_op(cmd, op);
}

static s64 status_of(u16 domain, u32 port) {
    struct evtchn_status op = {.dom = domain, .port = port};
    s64 result = hv_event_channel_op(EVTCHNOP_STATUS, &op);
    return result < 0 ? result : op.status;
}

static void numbers(void) {
    static const u32 absurd[] = {0, 4095, 4096, 4097, 65536, 131071, 131072, 1u << 31, ~0u, 0x7fffffff, 1u << 16};
    u64 accepted = 0, example = 0;
    for (u32 i = 0; i < 4096 + ARRAY_LENGTH(absurd); i++) {
        u32 port = i < 4096 ? i : absurd[i - 4096];
        if (port != 0 && port < 4096 && status_of(DOMID_SELF, port) > 0) {
            continue; /* one of ours */
        }
        u32 bind[2] = {port, 0}, priority[2] = {port, 1};
        if (port_op(EVTCHNOP_CLOSE, port) >= 0 || port_op(EVTCHNOP_SEND, port) >= 0 ||
            hv_event_channel_op(EVTCHNOP_BIND_VCPU, bind) >= 0 || hv_event_channel_op(EVTCHNOP_SET_PRIORITY, priority) >= 0) {
            accepted++;
            example = port;
        }
        port_op(EVTCHNOP_UNMASK, port);
        event_clear(port < 4096 ? port : 0);
    }
    check("ports that are not there", accepted == 0, (s64)example);
    for (size_t i = 3; i < ARRAY_LENGTH(absurd); i++) {
        accepted += status_of(DOMID_SELF, absurd[i]) > 0;
    }
    check("the status of ports beyond all", accepted == 0, (s64)accepted);
    u32 list[1] = {4000};
    struct sched_poll poll = {.ports = list, .nr_ports = 1, .timeout = 1};
    check_result("poll of a port that is not there", -EINVAL, hv_sched_op(SCHEDOP_POLL, &poll));
    static u32 many[200];
    poll = (struct sched_poll){.ports = many, .nr_ports = 129, .timeout = 1};
    check_result("poll of too many ports", -EINVAL, hv_sched_op(SCHEDOP_POLL, &poll));
}

static void loops(void) {
    s64 unbound = event_alloc_unbound(DOMID_SELF);
    must_succeed("alloc_unbound", unbound);
    s64 bound = event_bind_interdomain(DOMID_SELF, (u32)unbound);
    check("a channel to oneself", bound > 0, bound);
    check_refused("bound twice", event_bind_interdomain(DOMID_SELF, (u32)unbound));
    check_refused("bound to its other end", event_bind_interdomain(DOMID_SELF, (u32)bound));
    check_result("sends", 0, port_op(EVTCHNOP_SEND, (u32)unbound));
    u32 vcpu[2] = {(u32)bound, 1};
    check_refused("bound to a vCPU that is not there", hv_event_channel_op(EVTCHNOP_BIND_VCPU, vcpu));
    check_result("closed", 0, event_close((u32)unbound));
    check_result("the other end is unbound then", 1, status_of(DOMID_SELF, (u32)bound));
    check_refused("closed twice", event_close((u32)unbound));
    check_result("the other end closed", 0, event_close((u32)bound));
    event_clear((u32)bound);
    event_clear((u32)unbound);
    u16 self = domain_id();
    s64 for_others = event_alloc_unbound(self == 1 ? 2 : 1);
    check_refused("a port that is reserved for somebody else", event_bind_interdomain(DOMID_SELF, (u32)for_others));
    event_close((u32)for_others);
}

static void others(void) {
    u16 self = domain_id();
    u64 accepted = 0, example = 0;
    for (u16 domain = 0; domain < 8; domain++) {
        for (u32 port = 0; domain != self && port < 64; port++) {
            s64 bound = event_bind_interdomain(domain, port);
            if (bound >= 0 || status_of(domain, port) >= 0) {
                accepted++;
                example = (u64)domain << 32 | port;
            }
        }
    }
    check("others' ports", accepted == 0, (s64)example);
    for (u32 domain = 0; domain < 0x10000; domain += domain < 4 ? 1 : 4093) {
        struct evtchn_alloc_unbound op = {.dom = (u16)domain, .remote_dom = DOMID_SELF};
        u16 reset = (u16)domain;
        if (domain != self && domain != DOMID_SELF &&
            (hv_event_channel_op(EVTCHNOP_ALLOC_UNBOUND, &op) >= 0 || hv_event_channel_op(EVTCHNOP_RESET, &reset) >= 0)) {
            accepted++;
            example = domain;
        }
    }
    check("ports made and reset in others' names", accepted == 0, (s64)example);
}

static void virtual_interrupts(void) {
    static const u32 virqs[] = {24, 25, 255, 1u << 31, ~0u, 0x7fffffff};
    u64 accepted = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(virqs); i++) {
        accepted += event_bind_virq(virqs[i]) >= 0;
    }
    check("virtual interrupts that do not exist", accepted == 0, (s64)accepted);
    static const u32 vcpus[] = {128, 4096, 1u << 31, ~0u};
    for (size_t i = 0; i < ARRAY_LENGTH(vcpus); i++) {
        struct evtchn_bind_virq op = {.virq = VIRQ_TIMER, .vcpu = vcpus[i]};
        u32 ipi[2] = {vcpus[i], 0};
        accepted += hv_event_channel_op(EVTCHNOP_BIND_VIRQ, &op) >= 0;
        accepted += hv_event_channel_op(EVTCHNOP_BIND_IPI, ipi) >= 0;
        accepted += hypercall3(HC_VCPU_OP, VCPUOP_DOWN, vcpus[i], 0) >= 0;
    }
    accepted += hypercall3(HC_VCPU_OP, VCPUOP_DOWN, ~0ul, 0) >= 0; /* a vCPU's number has 32 bits: 1ul << 32 would be this one */
    check("vCPUs that do not exist", accepted == 0, (s64)accepted);
    struct {
        u64 frame;
        u32 offset, vcpu;
        u8 link_bits, pad[7];
    } control = {.frame = foreign_frame()};
    accepted += hv_event_channel_op(EVTCHNOP_INIT_CONTROL, &control) >= 0;
    control.frame = va_to_mfn(play_table[1]);
    accepted += hv_event_channel_op(EVTCHNOP_INIT_CONTROL, &control) >= 0;
    control.frame = mfn_of_pfn(start_info->nr_pages / 2);
    for (u32 offset = 4; offset != 0; offset = offset * 8) {
        control.offset = offset == 4 ? 4 : (offset | 1) * 4096; /* never 0 by overflow, which is a good offset */
        accepted += hv_event_channel_op(EVTCHNOP_INIT_CONTROL, &control) >= 0;
    }
    check("control blocks where none can be", accepted == 0, (s64)accepted);
}

#define MOST_PORTS 4096

static void exhaustion(void) {
    static u16 ports[MOST_PORTS];
    unsigned count = 0;
    s64 port = 0;
    while (count < MOST_PORTS && (port = event_alloc_unbound(DOMID_SELF)) >= 0) {
        ports[count++] = (u16)port;
    }
    check("ports come to an end", port < 0 && count > 100, count);
    u64 failed = 0;
    while (count > 0) {
        u32 op = ports[--count];
        failed += hv_event_channel_op(EVTCHNOP_CLOSE, &op) != 0;
    }
    check("and are all given back", failed == 0, (s64)failed);
}

static void privileged(void) {
    static u64 op[64];
    static const u64 numbers[] = {HC_SYSCTL, HC_DOMCTL, HC_PLATFORM_OP, HC_HVM_OP, HC_KEXEC_OP, HC_MCA, HC_XENPMU_OP, 27, 31, 38, 39, 41, 42, 11, 6, 16, 19, 43, 49, 55, 56, 63, 64, 127, 128, ~0ul, 1ul << 31, 1ul << 32 | 63};
    u64 accepted = 0, example = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        for (u32 version = 0; version < 0x20; version++) {
            for (u32 cmd = numbers[i] == 6 ? 100 : 0; cmd < (numbers[i] == 6 ? 101 : 96); cmd += version == 0x15 ? 1 : 17) {
                memset(op, 0, sizeof op);
                op[0] = (u64)version << 32 | cmd;
                s64 result = numbers[i] == HC_SYSCTL || numbers[i] == HC_DOMCTL || numbers[i] == HC_PLATFORM_OP
                                 ? hypercall_any(numbers[i], (u64)op, 0, 0, 0, 0)
                                 : hypercall_any(numbers[i], cmd, (u64)op, 0, 0, 0);
                if (result >= 0) {
                    accepted++;
                    example = numbers[i] << 32 | cmd;
                }
            }
        }
    }
    check("calls of privileged domains, and calls that do not exist", accepted == 0, (s64)example);
    accepted = 0;
    u16 self = domain_id();
    for (u16 domain = 0; domain < 8; domain++) {
        struct {
            u16 domain, pad;
            u32 reason;
        } shutdown = {domain, 0, SHUTDOWN_CRASH};
        struct xen_memory_reservation r = {.extent_start = (u64)op, .nr_extents = 1, .domid = domain};
        if (domain != self) {
            accepted += hv_sched_op(SCHEDOP_REMOTE_SHUTDOWN, &shutdown) >= 0;
            for (u32 cmd = 0; cmd < 32; cmd++) {
                if (cmd != XENMEM_MAXIMUM_RAM_PAGE && cmd != XENMEM_MACHPHYS_MAPPING && cmd != XENMEM_MEMORY_MAP &&
                    cmd != XENMEM_CURRENT_RESERVATION && cmd != 4 && cmd != 14) {
                    accepted += hypercall2(HC_MEMORY_OP, cmd, (u64)&r) > 0;
                }
            }
        }
    }
    check("shutdown and memory of others", accepted == 0, (s64)accepted);
    for (u64 cmd = 8; cmd < 32; cmd++) {
        memset(op, 0, sizeof op);
        accepted += hypercall2(HC_PHYSDEV_OP, cmd, (u64)op) > 0;
    }
    u32 iopl = 4;
    check_refused("an I/O privilege level of 4", hv_physdev_op(PHYSDEVOP_SET_IOPL, &iopl));
    check("interrupts and devices", accepted == 0, (s64)accepted);
}

void attack_ports(void) {
    numbers();
    loops();
    others();
    virtual_interrupts();
    exhaustion();
    privileged();
}
