/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start and end of a kernel.
 *
 * A kernel defines kernel_main(). By then the shared page is mapped, every trap has a handler, the console prints, time
 * runs, events are on. Returning from it powers the domain off.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include "xen_abi.h"

void kernel_main(void);

/* What the domain builder says about this domain. */
extern const struct start_info *start_info;

/* The page that the hypervisor shares with the domain, mapped. */
extern struct shared_info shared_info;

static inline struct vcpu_info *this_vcpu(void) {
    return &shared_info.vcpu_info[0]; /* the kernels here run on one vCPU */
}

/* This domain's id. A guest is not told; it asks the hypervisor who may connect to a port offered to "self". */
u16 domain_id(void);

/* These print what is left in the console ring first. */
NORETURN void power_off(void);
NORETURN void crash(void);
NORETURN void panic(const char *format, ...) PRINTF_LIKE(1, 2);

/* For calls that fail only if the hypervisor, or this code, is wrong. */
void must_succeed(const char *what, s64 result);

#endif
