/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing vCPUs up, giving them jobs, and their events (the two-level ABI, xen-pv-abi.md, 10.1, on many vCPUs). */
#include "kernels/smp/cpu.h"

#include "console.h"
#include "events.h"
#include "hypercall.h"
#include "mm.h"
#include "runtime.h"
#include "string.h"
#include "time.h"
#include "traps.h"

#define SPINS_BEFORE_YIELD 64
#define GIVE_UP_NS (120 * NS_PER_S)

extern char trap_entries[TRAP_VECTORS][TRAP_ENTRY_SIZE];
extern char failsafe_entry[], syscall_entry[];

struct cpu cpus[MAX_CPUS];
u32 cpu_count;

static char stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* Every other vCPU has its vcpu_info here, and those that have no room in the shared page. 64 on a page. */
static struct vcpu_info own_infos[MAX_CPUS] __attribute__((aligned(PAGE_SIZE)));

static void (*handlers[EVENT_PORTS])(struct cpu *cpu);

static struct {
    job what;
    u32 generation, done;
} work;

/* ---- events ---------------------------------------------------------------------------------------------------- */

/* A word of the bitmap has ports of other vCPUs, which are theirs to handle. */
void smp_upcall(void) {
    struct cpu *cpu = this_cpu();
    cpu->upcalls++;
    WRITE_ONCE(cpu->info->evtchn_upcall_pending, 0);
    u64 words = __atomic_exchange_n(&cpu->info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    for (; words != 0; words &= words - 1) {
        unsigned word = (unsigned)__builtin_ctzl(words);
        u64 ready;
        while ((ready = READ_ONCE(shared_info.evtchn_pending[word]) & ~READ_ONCE(shared_info.evtchn_mask[word]) &
                        READ_ONCE(cpu->owned[word])) != 0) {
            u32 port = word * 64 + (unsigned)__builtin_ctzl(ready);
            event_clear(port);
            handlers[port](cpu);
        }
    }
}

void cpu_events_off(struct cpu *cpu) {
    WRITE_ONCE(cpu->info->evtchn_upcall_mask, 1);
    compiler_barrier();
}

void cpu_events_on(struct cpu *cpu) {
    compiler_barrier();
    WRITE_ONCE(cpu->info->evtchn_upcall_mask, 0);
    compiler_barrier();
    if (READ_ONCE(cpu->info->evtchn_upcall_pending)) {
        hv_xen_version(XENVER_VERSION, NULL);
    }
}

void port_own(struct cpu *cpu, u32 port, void (*handler)(struct cpu *cpu)) {
    if (port >= EVENT_PORTS) {
        panic("event port %u is beyond %u", port, EVENT_PORTS);
    }
    handlers[port] = handler;
    __atomic_fetch_or(&cpu->owned[port / 64], 1ul << port % 64, __ATOMIC_SEQ_CST);
    if (handler != NULL) {
        must_succeed("evtchn_unmask", hv_event_channel_op(EVTCHNOP_UNMASK, &port));
    }
}

void port_close(struct cpu *cpu, u32 port) {
    __atomic_fetch_and(&cpu->owned[port / 64], ~(1ul << port % 64), __ATOMIC_SEQ_CST);
    must_succeed("evtchn_close", event_close(port));
}

u32 ipi_bind(u32 cpu) {
    struct evtchn_bind_ipi op = {.vcpu = cpu};
    must_succeed("bind_ipi", hv_event_channel_op(EVTCHNOP_BIND_IPI, &op));
    return op.port;
}

static void on_work(struct cpu *cpu) {
    (void)cpu; /* waking up was all there is to do */
}

static void on_ipi(struct cpu *cpu) {
    WRITE_ONCE(cpu->ipis, cpu->ipis + 1);
}

static void on_tick(struct cpu *cpu) {
    WRITE_ONCE(cpu->ticks, cpu->ticks + 1);
}

static void bind_ports(struct cpu *cpu) {
    cpu->work_port = ipi_bind(cpu->id);
    cpu->ipi_port = ipi_bind(cpu->id);
    cpu->poll_port = ipi_bind(cpu->id);
    struct evtchn_bind_virq timer = {.virq = VIRQ_TIMER, .vcpu = cpu->id};
    must_succeed("bind_virq", hv_event_channel_op(EVTCHNOP_BIND_VIRQ, &timer));
    cpu->timer_port = timer.port;
    port_own(cpu, cpu->work_port, on_work);
    port_own(cpu, cpu->ipi_port, on_ipi);
    port_own(cpu, cpu->poll_port, NULL);
    port_own(cpu, cpu->timer_port, on_tick);
}

/* ---- time and waiting ------------------------------------------------------------------------------------------ */

u64 cpu_now(const struct cpu *cpu) {
    const struct vcpu_time_info *time = &cpu->info->time;
    for (;;) {
        u32 version = READ_ONCE(time->version);
        u32 low, high;
        __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
        u64 ticks = ((u64)high << 32 | low) - READ_ONCE(time->tsc_timestamp);
        s8 shift = READ_ONCE(time->tsc_shift);
        ticks = shift < 0 ? ticks >> -shift : ticks << shift;
        u64 now = READ_ONCE(time->system_time) +
                  (u64)((unsigned __int128)ticks * READ_ONCE(time->tsc_to_system_mul) >> 32);
        compiler_barrier();
        if (version % 2 == 0 && version == READ_ONCE(time->version)) {
            return now;
        }
    }
}

static void panic_stuck(const char *condition) {
    struct cpu *self = this_cpu();
    printf("smp: FAIL stuck: vcpu %u waits in vain for: %s\n", self->id, condition);
    for (u32 i = 0; i < cpu_count; i++) {
        const struct cpu *cpu = &cpus[i];
        printf("smp: vcpu %u: up %ld job %u of %u progress %lu upcalls %lu ipis %lu ticks %lu pending %u mask %u sel %lx\n",
               i, hv_vcpu_op(VCPUOP_IS_UP, i, NULL), cpu->generation, work.generation, cpu->progress, cpu->upcalls,
               cpu->ipis, cpu->ticks, cpu->info->evtchn_upcall_pending, cpu->info->evtchn_upcall_mask,
               cpu->info->evtchn_pending_sel);
    }
    panic("stuck");
}

void relax(u32 spins, u64 *give_up, const char *condition) {
    if (spins % SPINS_BEFORE_YIELD != 0) {
        __asm__ volatile("pause" ::: "memory");
        return;
    }
    u64 now = cpu_now(this_cpu());
    if (*give_up == 0) {
        *give_up = now + GIVE_UP_NS;
    } else if (now > *give_up) {
        panic_stuck(condition);
    }
    hv_sched_op(SCHEDOP_YIELD, NULL);
}

void barrier_wait(struct barrier *barrier, u32 count) {
    u32 phase = __atomic_load_n(&barrier->phase, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_SEQ_CST) == count) {
        barrier->arrived = 0;
        __atomic_store_n(&barrier->phase, phase + 1, __ATOMIC_SEQ_CST);
    } else {
        SPIN_UNTIL(READ_ONCE(barrier->phase) != phase);
    }
}

/* ---- jobs ------------------------------------------------------------------------------------------------------ */

void cpu_expect(struct cpu *cpu, const char *what, u64 expected, u64 got) {
    if (expected != got && cpu->failures++ == 0) {
        cpu->what = what;
        cpu->expected = expected;
        cpu->got = got;
    }
}

void job_start(job what) {
    work.what = what;
    work.done = 0;
    __atomic_store_n(&work.generation, work.generation + 1, __ATOMIC_SEQ_CST);
    for (u32 i = 1; i < cpu_count; i++) {
        event_send(cpus[i].work_port);
    }
}

void job_wait(void) {
    SPIN_UNTIL(READ_ONCE(work.done) == cpu_count - 1);
}

void run_on_all(job what) {
    job_start(what);
    what(&cpus[0]);
    job_wait();
}

static void work_for_ever(struct cpu *cpu) {
    for (;;) {
        SLEEP_UNTIL(cpu, READ_ONCE(work.generation) != cpu->generation);
        cpu->generation++;
        work.what(cpu);
        __atomic_fetch_add(&work.done, 1, __ATOMIC_SEQ_CST);
    }
}

/* ---- bringing up ------------------------------------------------------------------------------------------------ */

void cpus_count(void) {
    while (cpu_count < MAX_CPUS && hv_vcpu_op(VCPUOP_IS_UP, cpu_count, NULL) >= 0) {
        cpu_count++;
    }
}

static void prepare(struct cpu *cpu, u32 id) {
    cpu->self = cpu;
    cpu->id = id;
    cpu->info = &shared_info.vcpu_info[id % 32];
    cpu->stack_end = stacks[id] + STACK_SIZE;
}

static struct trap_info own_gate(u32 id) {
    return (struct trap_info){
        .vector = VECTOR_OWN,
        .flags = TRAP_DPL(1) | TRAP_MASK_EVENTS,
        .cs = FLAT_CS,
        .address = (u64)trap_entries[VECTOR_FIRST + id],
    };
}

/* The accesses of entry.S that may fault. RBP and the like are as they were, so the frame is all there is to change. */
static void on_page_fault(struct frame *frame) {
    if (frame->rip != (u64)probe_read_at && frame->rip != (u64)probe_write_at) {
        trap_die(frame);
    }
    frame->rax = FAULTED;
    frame->rip = (u64)probe_end;
}

void cpus_lead(void) {
    struct cpu *cpu = &cpus[0];
    prepare(cpu, 0);
    must_succeed("set_segment_base", hv_set_segment_base(SEGBASE_GS_KERNEL, (u64)cpu));
    trap_set_handler(TRAP_PF, on_page_fault);
    struct trap_info table[2] = {own_gate(0)};
    must_succeed("set_trap_table", hv_set_trap_table(table));
    struct callback_register callback = {.type = CALLBACKTYPE_EVENT, .address = (u64)smp_event_entry};
    events_disable();
    must_succeed("callback_op", hv_callback_op(CALLBACKOP_REGISTER, &callback));
    events_enable();
    must_succeed("stop_periodic_timer", hv_vcpu_op(VCPUOP_STOP_PERIODIC_TIMER, 0, NULL));
    bind_ports(cpu);
}

static void register_info(struct cpu *cpu) {
    struct vcpu_info *info = &own_infos[cpu->id];
    struct vcpu_register_vcpu_info op = {.mfn = va_to_mfn(info), .offset = (u32)((u64)info % PAGE_SIZE)};
    struct vcpu_register_vcpu_info crooked = {.mfn = op.mfn, .offset = op.offset + 4};
    struct vcpu_register_vcpu_info beyond = {.mfn = op.mfn, .offset = PAGE_SIZE - 56};
    check_equal("result of an unaligned offset", -ENXIO, hv_vcpu_op(VCPUOP_REGISTER_VCPU_INFO, cpu->id, &crooked));
    check_equal("result of an offset too high", -ENXIO, hv_vcpu_op(VCPUOP_REGISTER_VCPU_INFO, cpu->id, &beyond));
    check_equal("result of register_vcpu_info", 0, hv_vcpu_op(VCPUOP_REGISTER_VCPU_INFO, cpu->id, &op));
    check_equal("result of the second time", -EINVAL, hv_vcpu_op(VCPUOP_REGISTER_VCPU_INFO, cpu->id, &op));
    cpu->info = info;
    check_equal("pending after register_vcpu_info", 1, info->evtchn_upcall_pending);
    check_equal("selector after register_vcpu_info", ~0ul, info->evtchn_pending_sel);
    check_equal("mask after register_vcpu_info", 1, info->evtchn_upcall_mask);
}

static const struct vcpu_guest_context *context_of(struct cpu *cpu) {
    static struct vcpu_guest_context c;
    memset(&c, 0, sizeof c);
    c.flags = VGCF_IN_KERNEL;
    c.user_regs.rip = (u64)smp_start;
    c.user_regs.rsp = (u64)cpu->stack_end;
    c.user_regs.rdi = (u64)cpu;
    c.user_regs.rflags = RFLAGS_FIXED | RFLAGS_IF;
    c.user_regs.cs = FLAT_CS;
    c.user_regs.ss = FLAT_SS;
    for (u32 v = 0; v < TRAP_VECTORS; v++) {
        c.trap_ctxt[v] = (struct trap_info){
            .vector = (u8)v, .flags = TRAP_MASK_EVENTS, .cs = FLAT_CS, .address = (u64)trap_entries[v]};
    }
    c.trap_ctxt[VECTOR_OWN] = own_gate(cpu->id);
    c.kernel_ss = FLAT_SS;
    c.kernel_sp = (u64)cpu->stack_end;
    c.ctrlreg[3] = va_to_mfn((void *)start_info->pt_base) << PAGE_SHIFT;
    c.event_callback_eip = (u64)smp_event_entry;
    c.failsafe_callback_eip = (u64)failsafe_entry;
    c.syscall_callback_eip = (u64)syscall_entry;
    c.gs_base_kernel = (u64)cpu;
    return &c;
}

static void bring_up(struct cpu *cpu) {
    u32 id = cpu->id;
    check_equal("result of up before initialise", -EINVAL, hv_vcpu_op(VCPUOP_UP, id, NULL));
    if (id % 2 == 1 || id >= 32) {
        register_info(cpu);
    }
    bind_ports(cpu);
    check_equal("result of initialise", 0, hv_vcpu_op(VCPUOP_INITIALISE, id, (void *)context_of(cpu)));
    check_equal("result of initialise again", -EEXIST, hv_vcpu_op(VCPUOP_INITIALISE, id, (void *)context_of(cpu)));
    check_equal("is_up before up", 0, hv_vcpu_op(VCPUOP_IS_UP, id, NULL));
    check_equal("result of up", 0, hv_vcpu_op(VCPUOP_UP, id, NULL));
    check_equal("is_up after up", 1, hv_vcpu_op(VCPUOP_IS_UP, id, NULL));
    check_equal("result of up again", 0, hv_vcpu_op(VCPUOP_UP, id, NULL));
}

/* Called by entry.S on the vCPU that has just been brought up. */
void smp_main(struct cpu *cpu, u64 rflags, u64 rsp) {
    cpu_expect(cpu, "GS base", (u64)cpu, (u64)this_cpu());
    cpu_expect(cpu, "RSP", (u64)cpu->stack_end, rsp);
    cpu_expect(cpu, "IF in RFLAGS", RFLAGS_IF, rflags & RFLAGS_IF);
    cpu_expect(cpu, "event mask at the start", 1, cpu->info->evtchn_upcall_mask);
    must_succeed("stop_periodic_timer", hv_vcpu_op(VCPUOP_STOP_PERIODIC_TIMER, cpu->id, NULL));
    __atomic_fetch_add(&work.done, 1, __ATOMIC_SEQ_CST);
    work_for_ever(cpu);
}

void cpus_bring_up(void) {
    for (u32 i = 1; i < cpu_count; i++) {
        prepare(&cpus[i], i);
        bring_up(&cpus[i]);
    }
    job_wait();
}
