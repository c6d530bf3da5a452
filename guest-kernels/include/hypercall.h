/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calling the hypervisor.
 *
 * A hypercall is a call into the hypercall page: 128 stubs of 32 bytes, which the domain builder or the hypervisor
 * has filled in before the kernel starts (xen-pv-abi.md, 4.1). The number picks the stub; arguments go in RDI, RSI,
 * RDX, R10, R8; the result comes back in RAX, a negative errno on failure. Argument registers count as clobbered.
 *
 * Below the raw hypercallN come the calls by name. Only what kernels here use is here; adding one is a line.
 */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#include "xen_abi.h"

#define HYPERCALL_ASM(number, result, ...)                               \
    __asm__ volatile("call hypercall_page + %c[stub]"                    \
                     : "=a"(result), ##__VA_ARGS__                       \
                     : [stub] "i"((number) * 32)                         \
                     : "rcx", "r8", "r9", "r11", "memory")

static ALWAYS_INLINE s64 hypercall1(enum hypercall number, u64 a1) {
    s64 result;
    HYPERCALL_ASM(number, result, "+D"(a1));
    return result;
}

static ALWAYS_INLINE s64 hypercall2(enum hypercall number, u64 a1, u64 a2) {
    s64 result;
    HYPERCALL_ASM(number, result, "+D"(a1), "+S"(a2));
    return result;
}

static ALWAYS_INLINE s64 hypercall3(enum hypercall number, u64 a1, u64 a2, u64 a3) {
    s64 result;
    HYPERCALL_ASM(number, result, "+D"(a1), "+S"(a2), "+d"(a3));
    return result;
}

static ALWAYS_INLINE s64 hypercall4(enum hypercall number, u64 a1, u64 a2, u64 a3, u64 a4) {
    s64 result;
    register u64 r10 __asm__("r10") = a4;
    HYPERCALL_ASM(number, result, "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10));
    return result;
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static inline s64 hv_update_va_mapping(u64 va, u64 pte, u64 flags) {
    return hypercall3(HC_UPDATE_VA_MAPPING, va, pte, flags);
}

static inline s64 hv_mmu_update(const struct mmu_update *updates, u32 count) {
    return hypercall4(HC_MMU_UPDATE, (u64)updates, count, 0, DOMID_SELF);
}

/* Entries that map I/O memory: what counts there is the domain's right to the frame, not who owns it. */
static inline s64 hv_mmu_update_io(const struct mmu_update *updates, u32 count) {
    return hypercall4(HC_MMU_UPDATE, (u64)updates, count, 0, DOMID_IO);
}

static inline s64 hv_mmuext_op(const struct mmuext_op *ops, u32 count) {
    return hypercall4(HC_MMUEXT_OP, (u64)ops, count, 0, DOMID_SELF);
}

static inline s64 hv_vm_assist(u32 cmd, u32 type) {
    return hypercall2(HC_VM_ASSIST, cmd, type);
}

static inline s64 hv_grant_table_op(u32 cmd, void *op, u32 count) {
    return hypercall3(HC_GRANT_TABLE_OP, cmd, (u64)op, count);
}

/* ---- traps ----------------------------------------------------------------------------------------------------- */

static inline s64 hv_set_trap_table(const struct trap_info *table) {
    return hypercall1(HC_SET_TRAP_TABLE, (u64)table);
}

/* frames: the mfns of the pages of the table, 512 descriptors each */
static inline s64 hv_set_gdt(const u64 *frames, u32 descriptors) {
    return hypercall2(HC_SET_GDT, (u64)frames, descriptors);
}

static inline s64 hv_set_segment_base(u32 which, u64 base) {
    return hypercall2(HC_SET_SEGMENT_BASE, which, base);
}

static inline s64 hv_callback_op(u32 cmd, const struct callback_register *callback) {
    return hypercall2(HC_CALLBACK_OP, cmd, (u64)callback);
}

static inline s64 hv_stack_switch(u64 ss, u64 rsp) {
    return hypercall2(HC_STACK_SWITCH, ss, rsp);
}

static inline s64 hv_fpu_taskswitch(u64 set) {
    return hypercall1(HC_FPU_TASKSWITCH, set);
}

static inline s64 hv_set_debugreg(u32 reg, u64 value) {
    return hypercall2(HC_SET_DEBUGREG, reg, value);
}

static inline u64 hv_get_debugreg(u32 reg) {
    return (u64)hypercall1(HC_GET_DEBUGREG, reg);
}

/* ---- events, scheduling, vCPUs --------------------------------------------------------------------------------- */

static inline s64 hv_event_channel_op(u32 cmd, void *op) {
    return hypercall2(HC_EVENT_CHANNEL_OP, cmd, (u64)op);
}

static inline s64 hv_sched_op(u32 cmd, const void *op) {
    return hypercall2(HC_SCHED_OP, cmd, (u64)op);
}

static inline s64 hv_vcpu_op(u32 cmd, u32 vcpu, void *op) {
    return hypercall3(HC_VCPU_OP, cmd, vcpu, (u64)op);
}

static inline s64 hv_physdev_op(u32 cmd, void *op) {
    return hypercall2(HC_PHYSDEV_OP, cmd, (u64)op);
}

/* ---- the rest -------------------------------------------------------------------------------------------------- */

static inline s64 hv_xen_version(u32 cmd, void *out) {
    return hypercall2(HC_XEN_VERSION, cmd, (u64)out);
}

static inline s64 hv_console_io(u32 cmd, u64 count, void *buffer) {
    return hypercall3(HC_CONSOLE_IO, cmd, count, (u64)buffer);
}

#endif
