/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domain's other vCPUs. They share address space and page tables with vCPU 0, take no events, and do one job at a time, again
 * and again, until they are told to stop. A vCPU is known by its stack: segment bases are among what is attacked.
 */
#include "kernels/hostile/hostile.h"

#include "cmdline.h"
#include "console.h"
#include "runtime.h"
#include "string.h"

#define STACK_BYTES 16384
#define ROUNDS_BEFORE_YIELD 16

extern char trap_entries[TRAP_VECTORS][TRAP_ENTRY_SIZE];
extern char event_entry[], syscall_entry[], failsafe_entry[], cpu_start[];

u32 cpu_count = 1;

static char stacks[MAX_CPUS][STACK_BYTES] __attribute__((aligned(PAGE_SIZE)));

static struct {
    job what;
    u32 generation, begun, ready;
    bool stop;
    u64 rounds[MAX_CPUS];
} work;

u32 cpu_self(void) {
    u64 below;
    __asm__ volatile("mov %%rsp, %0" : "=r"(below));
    below -= (u64)stacks;
    return below < sizeof stacks ? (u32)(below / STACK_BYTES) : 0;
}

void cpus_count(void) {
    u64 most = cmdline_u64("vcpus", MAX_CPUS);
    while (cpu_count < MAX_CPUS && cpu_count < most && hv_vcpu_op(VCPUOP_IS_UP, cpu_count, NULL) >= 0) {
        cpu_count++;
    }
}

struct vcpu_guest_context *cpu_context(u32 cpu) {
    static struct vcpu_guest_context c;
    memset(&c, 0, sizeof c);
    c.flags = VGCF_IN_KERNEL;
    c.user_regs.rip = (u64)cpu_start;
    c.user_regs.rsp = (u64)stacks[cpu] + STACK_BYTES;
    c.user_regs.rflags = RFLAGS_FIXED;
    c.user_regs.cs = FLAT_CS;
    c.user_regs.ss = FLAT_SS;
    for (u32 v = 0; v < TRAP_VECTORS; v++) {
        c.trap_ctxt[v] =
            (struct trap_info){.vector = (u8)v, .flags = TRAP_MASK_EVENTS, .cs = FLAT_CS, .address = (u64)trap_entries[v]};
    }
    c.kernel_ss = FLAT_SS;
    c.kernel_sp = c.user_regs.rsp;
    c.ctrlreg[3] = va_to_mfn((void *)start_info->pt_base) << PAGE_SHIFT;
    c.event_callback_eip = (u64)event_entry;
    c.failsafe_callback_eip = (u64)failsafe_entry;
    c.syscall_callback_eip = (u64)syscall_entry;
    return &c;
}

/* Called by others.S on a vCPU that has just been brought up. */
void cpu_main(void) {
    u32 self = cpu_self(), generation = 0;
    must_succeed("stop_periodic_timer", hv_vcpu_op(VCPUOP_STOP_PERIODIC_TIMER, self, NULL));
    __atomic_fetch_add(&work.ready, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        while (READ_ONCE(work.generation) == generation) {
            hv_sched_op(SCHEDOP_YIELD, NULL);
        }
        generation = READ_ONCE(work.generation);
        job what = work.what;
        __atomic_fetch_add(&work.begun, 1, __ATOMIC_SEQ_CST);
        for (u64 round = 1; !READ_ONCE(work.stop); round++) {
            what(self, round);
            WRITE_ONCE(work.rounds[self], round);
            if (round % ROUNDS_BEFORE_YIELD == 0) {
                hv_sched_op(SCHEDOP_YIELD, NULL); /* there may be fewer processors than vCPUs */
            }
        }
        __atomic_fetch_add(&work.ready, 1, __ATOMIC_SEQ_CST);
    }
}

static void await_others(const u32 *counter) {
    while (READ_ONCE(*counter) != cpu_count - 1) {
        hv_sched_op(SCHEDOP_YIELD, NULL);
    }
}

void cpu_up(u32 cpu) {
    must_succeed("up", hv_vcpu_op(VCPUOP_UP, cpu, NULL));
}

void cpus_bring_up(void) {
    for (u32 cpu = 1; cpu < cpu_count; cpu++) {
        must_succeed("initialise", hv_vcpu_op(VCPUOP_INITIALISE, cpu, cpu_context(cpu)));
        cpu_up(cpu);
    }
    await_others(&work.ready);
}

void job_start(job what) {
    work.what = what;
    work.begun = work.ready = 0;
    work.stop = false;
    __atomic_store_n(&work.generation, work.generation + 1, __ATOMIC_SEQ_CST);
    await_others(&work.begun);
}

static u64 all_rounds(void) {
    u64 sum = 0;
    for (u32 cpu = 1; cpu < cpu_count; cpu++) {
        sum += READ_ONCE(work.rounds[cpu]);
    }
    return sum;
}

void job_proceed(void) {
    for (u64 before = all_rounds(); all_rounds() - before < 2;) {
        hv_sched_op(SCHEDOP_YIELD, NULL);
    }
}

void job_stop(void) {
    WRITE_ONCE(work.stop, true);
    await_others(&work.ready);
}
