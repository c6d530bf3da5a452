/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smp: all the vCPUs of a domain at work: bringing up, IPIs, timers, atomics, memory ordering, TLB shootdown, code that is
 * rewritten under the others, wake-ups, down and up again, run states (xen-pv-abi.md, 5, 6, 10, 11).
 *
 * A line a check, then "smp: N passed, M failed". Powers off if nothing failed, else crashes.
 *
 *     only=TEXT   only the checks whose name contains it (no spaces); bringing up always runs
 *     scale=N     N times as many rounds (default 1)
 *     trace       say what comes before it comes, to see what a domain hangs in
 *     down        ends with the last vCPU going down, which powers a domain off too
 *
 * With one vCPU what needs two is left out. smp/cpu.h explains how a check puts the vCPUs to work.
 */
#include "kernels/smp/cpu.h"

#include "cmdline.h"
#include "console.h"
#include "hypercall.h"
#include "runtime.h"

u64 scale;

static void go_down(struct cpu *cpu) {
    if (cpu->id != 0) {
        hv_vcpu_op(VCPUOP_DOWN, cpu->id, NULL);
    }
}

void kernel_main(void) {
    scale = cmdline_u64("scale", 1);
    cpus_count();
    printf("smp: %u vCPUs\n", cpu_count);
    check_enumeration();
    check_bring_up();
    check_events();
    check_atomics();
    if (cpu_count > 1) {
        check_ordering();
        check_mappings();
        check_code();
        check_wake_ups();
        check_down_and_up();
    }
    check_runstates();
    if (report_total() > 0) {
        crash();
    }
    if (cmdline_has("down")) {
        console_flush();
        job_start(go_down);
        for (u32 i = 1; i < cpu_count; i++) {
            SPIN_UNTIL(hv_vcpu_op(VCPUOP_IS_UP, i, NULL) == 0);
        }
        hv_vcpu_op(VCPUOP_DOWN, 0, NULL);
        panic("going down as the last has come back");
    }
}
