/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults: provokes every exception that a PV guest can get, in kernel and in user mode, and compares what arrives with
 * what xen-pv-abi.md, 7 to 9, says: vector, error code, RIP, CS, flags, event mask, place of the frame, CR2, registers.
 *
 * A line a check, then "faults: N passed, M failed". Powers off if nothing failed, else crashes.
 *
 *     only=TEXT   only the checks whose name contains it (no spaces), for example only=#PF
 *     trace       say what comes before it comes, to see what a domain dies of
 *     extra       also #MF, #XM, #AC and hardware breakpoints, which not every emulated CPU has
 *
 * Not provoked: #TS (needs a task switch), #DF and what is no frame on a wild stack (the domain would die of it), #MC,
 * #BR (its instruction is gone in 64-bit mode), NMI.
 *
 * faults/probe.h explains how a probe is written; the probes are in faults/kernel_*.S and faults/user.S, and checks
 * that do not fit into a table in faults/checks.c.
 */
#include "kernels/faults/probe.h"
#include "runtime.h"

static void run_table(const struct probe_table *table) {
    for (const struct probe *probe = table->first; probe < table->end; probe++) {
        if (!(probe->flags & PROBE_BY_CHECK) && check_is_wanted(probe->name, probe->flags)) {
            probe_check(probe, table->mode);
        }
    }
}

void kernel_main(void) {
    probe_init();
    for (size_t i = 0; i < PROBE_TABLES; i++) {
        run_table(&probe_tables[i]);
    }
    run_checks();
    if (report_total() > 0) {
        crash();
    }
}
