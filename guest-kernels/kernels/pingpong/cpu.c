/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/pingpong/cpu.h"

#include "hypercall.h"
#include "mm.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

#define STACK_SIZE 16384

static char stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(PAGE_SIZE)));

static struct {
    void (*function)(u32 id);
    bool done;
} cpus[MAX_CPUS];

static void run(u64 id) {
    must_succeed("stop_periodic_timer", hv_vcpu_op(VCPUOP_STOP_PERIODIC_TIMER, (u32)id, NULL));
    cpus[id].function((u32)id);
    __atomic_store_n(&cpus[id].done, true, __ATOMIC_RELEASE);
    hv_vcpu_op(VCPUOP_DOWN, (u32)id, NULL);
    panic("vCPU %lu is down and goes on", id);
}

void cpu_start(u32 id, void (*function)(u32 id)) {
    static struct vcpu_guest_context c;
    if (id == 0 || id >= MAX_CPUS) {
        panic("vCPU %u cannot be started; it must be 1 to %u", id, MAX_CPUS - 1);
    }
    cpus[id].function = function;
    memset(&c, 0, sizeof c);
    c.flags = VGCF_IN_KERNEL;
    c.user_regs.rip = (u64)run;
    c.user_regs.rsp = (u64)stacks[id] + STACK_SIZE - 8; /* as behind a call */
    c.user_regs.rdi = id;
    c.user_regs.rflags = RFLAGS_FIXED | RFLAGS_IF;
    c.user_regs.cs = FLAT_CS;
    c.user_regs.ss = FLAT_SS;
    c.kernel_ss = FLAT_SS;
    c.kernel_sp = (u64)stacks[id] + STACK_SIZE;
    c.ctrlreg[3] = va_to_mfn((void *)start_info->pt_base) << PAGE_SHIFT;
    must_succeed("initialising a vCPU", hv_vcpu_op(VCPUOP_INITIALISE, id, &c));
    must_succeed("bringing a vCPU up", hv_vcpu_op(VCPUOP_UP, id, NULL));
}

void cpu_join(u32 id) {
    while (!__atomic_load_n(&cpus[id].done, __ATOMIC_ACQUIRE)) {
        time_sleep_until(time_now() + NS_PER_MS);
    }
}
