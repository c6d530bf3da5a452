/* SPDX-License-Identifier: Apache-2.0 */
/* Traps, returns, registers: states of the processor that no guest may reach or leave behind. */
#include "console.h"
#include "entry_vectors.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

extern char trap_entries[TRAP_VECTORS][TRAP_ENTRY_SIZE]; /* runtime/entry.S */

/* A list that never ends: as long as memory goes on, and then not. All entries are what they were, so none does harm. */
static void endless_trap_table(void) {
    struct trap_info *table = (struct trap_info *)PLAY;
    for (unsigned page = 0; page < 8; page++) {
        must_succeed("a page", hv_update_va_mapping(PLAY + page * PAGE_SIZE,
                                                    make_pte(mfn_of_pfn(start_info->nr_pages / 2 + page), PTE_KERNEL_RW), UVMF_INVLPG));
    }
    for (unsigned i = 0; i < 8 * PAGE_SIZE / sizeof *table; i++) {
        unsigned vector = 0x30 + i % 0x40;
        table[i] = (struct trap_info){.vector = (u8)vector, .flags = TRAP_MASK_EVENTS, .cs = FLAT_CS, .address = (u64)trap_entries[vector]};
    }
    s64 result = hv_set_trap_table(table);
    check("a trap table without an end", result == 0 || result == -EFAULT || result == -EINVAL, result);
    table[1].address = 1ul << 63;
    check_result("a handler at no address", -EINVAL, hv_set_trap_table(table));
    for (unsigned page = 0; page < 8; page++) {
        must_succeed("no page", hv_update_va_mapping(PLAY + page * PAGE_SIZE, 0, UVMF_INVLPG));
    }
    for (u16 type = 0; type < 16; type++) {
        struct callback_register callback = {.type = type, .address = 1ul << 63};
        s64 registered = hv_callback_op(CALLBACKOP_REGISTER, &callback);
        if (registered >= 0) {
            check("a callback at no address", false, type);
        }
    }
    check("callbacks at no address", true, 0);
}

static void debug_registers(void) {
    static const u64 addresses[] = {HYPERVISOR_VIRT_START, 0xffff830000000000, HYPERVISOR_VIRT_END - 1, 1ul << 63, 0x0000800000000000,
                                    0xffff7fffffffffff, 0xffff82d080200000};
    u64 accepted = 0;
    for (u32 reg = 0; reg < 4; reg++) {
        for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
            accepted += hv_set_debugreg(reg, addresses[i]) >= 0;
        }
    }
    check("breakpoints in the hypervisor", accepted == 0, (s64)accepted);
    for (u32 reg = 8; reg != 0; reg *= 2) {
        accepted += hv_set_debugreg(reg, 0) >= 0;
        accepted += hypercall1(HC_GET_DEBUGREG, reg) >= 0;
    }
    accepted += hypercall2(HC_SET_DEBUGREG, ~0ul, 0) >= 0;
    accepted += hypercall1(HC_GET_DEBUGREG, ~0ul) >= 0;
    accepted += hypercall2(HC_SET_DEBUGREG, 1ul << 32, 0) >= 0 && hv_get_debugreg(0) != 0;
    check("debug registers that do not exist", accepted == 0, (s64)accepted);
    check_result("general detect", -EPERM, hv_set_debugreg(7, 1 << 13));
    check_refused("DR7 of 64 bits", hv_set_debugreg(7, 1ul << 32));
    check_refused("DR6 of 64 bits", hv_set_debugreg(6, 1ul << 40));
    check_refused("a breakpoint on ports", hv_set_debugreg(7, 1 | 2ul << 16));
    hv_set_debugreg(7, 0);
}

static void segment_bases(void) {
    u64 accepted = 0;
    for (u32 which = 0; which < 3; which++) {
        accepted += hv_set_segment_base(which, 1ul << 63) >= 0;
        accepted += hv_set_segment_base(which, 0x0000800000000000) >= 0;
    }
    check("segment bases that are no addresses", accepted == 0, (s64)accepted);
    for (u64 which = 4; which <= 1ul << 31; which *= 2) { /* 32 bits count */
        accepted += hypercall2(HC_SET_SEGMENT_BASE, which, 0) >= 0;
    }
    check("segments that do not exist", accepted == 0, (s64)accepted);
    for (u64 selector = 0; selector < 0x10000; selector += 7) {
        hv_set_segment_base(3, selector);
    }
    check("any selector for the user's GS", hv_set_segment_base(3, 0) == 0, 0);
    accepted += try_wrmsr(0xc0000100, 1ul << 63) + try_wrmsr(0xc0000101, 0x0000800000000000) + try_wrmsr(0xc0000102, 1ul << 63);
    check("segment bases that are no addresses, by WRMSR", accepted == 0, (s64)accepted);
}

static void msrs(void) {
    static const u32 forbidden[] = {0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0x174, 0x175, 0x176, 0x200, 0x2ff, 0x1d9, 0x800,
                                    0x40000000, 0x48, 0x49, 0xc0010114, 0xc0010117, 0x3a, 0x480};
    u64 accepted = 0, example = 0, value;
    for (size_t i = 0; i < ARRAY_LENGTH(forbidden); i++) {
        if (try_wrmsr(forbidden[i], 0xffff830000000000 | 1)) {
            accepted++;
            example = forbidden[i];
        }
    }
    check("MSRs that are not the guest's, written", accepted == 0, (s64)example);
    check("EFER changed", !try_wrmsr(0xc0000080, 0) && !try_wrmsr(0xc0000080, ~0ul), 0);
    check("the processor's number of 64 bits", !try_wrmsr(0xc0000103, 1ul << 32), 0);
    accepted = 0;
    for (u32 i = 0; i < 4; i++) {
        accepted += try_rdmsr(0xc0000081 + i, &value); /* where the hypervisor is entered */
    }
    check("the hypervisor's entry points, read", accepted == 0, (s64)accepted);
    u64 seen = traps_seen;
    for (u32 msr = 0; msr < 0x2000; msr++) {
        try_rdmsr(msr, &value);
        try_rdmsr(0xc0000000 + msr, &value);
        try_rdmsr(0xc0010000 + msr, &value);
        try_rdmsr(0x40000000 + msr, &value);
    }
    check("every MSR read ends", traps_seen > seen, (s64)(traps_seen - seen));
}

/* Each on its own stack frame; what comes back is either the place we named or a trap. */
static void returns(void) {
    static char stack[4096] __attribute__((aligned(16)));
    u64 top = (u64)stack + sizeof stack - 64;
    const u64 good[9] = {1, 2, 3, 0, (u64)iret_target, FLAT_CS_KERNEL_FRAME, RFLAGS_FIXED | RFLAGS_IF, top, FLAT_SS};
    check("an ordinary return", try_iret(good), (s64)last_vector);

    static const u64 bad_code[] = {0, 4, 8, 0x10, 0xe008, 0xe010, 0xe018, 0xe020, 0xe028, 0xe040, 0xe048, 0xfff8, 0xfffc, 0xe034, 0xe030 - 8};
    u64 returned = 0, example = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(bad_code); i++) {
        u64 frame[9];
        memcpy(frame, good, sizeof frame);
        frame[5] = bad_code[i];
        if (try_iret(frame) && bad_code[i] != 0xe020) { /* 32-bit code: the guest's own affair */
            returned++;
            example = bad_code[i];
        }
    }
    check("returns to selectors that are no code", returned == 0, (s64)example);
    static const u64 bad_stack[] = {8, 0x10, 0xe008, 0xe010, 0xe030, 0xe038, 0xe040, 0xe048, 0xfff8, 0xfffc, 0xe02c};
    for (size_t i = 0; i < ARRAY_LENGTH(bad_stack); i++) {
        u64 frame[9];
        memcpy(frame, good, sizeof frame);
        frame[8] = bad_stack[i];
        if (try_iret(frame)) {
            returned++;
            example = bad_stack[i];
        }
    }
    check("returns to selectors that are no stack", returned == 0, (s64)example);
    static const u64 nowhere[] = {1ul << 63, 0x0000800000000000, 0xffff7fffffffffff, HYPERVISOR_VIRT_START, 0xffff830000000000,
                                  HYPERVISOR_VIRT_END - 1, 0, ~0ul, 0x00007fffffffffff};
    for (size_t i = 0; i < ARRAY_LENGTH(nowhere); i++) {
        for (u64 flags = 0; flags <= 0x100; flags += 0x100) {
            u64 frame[9];
            memcpy(frame, good, sizeof frame);
            frame[3] = flags;
            frame[4] = nowhere[i];
            if (try_iret(frame)) {
                returned++;
                example = nowhere[i];
            }
        }
    }
    check("returns to nowhere", returned == 0, (s64)example);
    for (u64 bit = 12; bit < 64; bit++) { /* IOPL, NT, RF, VM, AC and what is reserved; TF would be our own trap */
        u64 frame[9];
        memcpy(frame, good, sizeof frame);
        frame[6] |= 1ul << bit;
        try_iret(frame);
    }
    u64 flags;
    __asm__ volatile("pushf; pop %0" : "=r"(flags));
    check("no I/O privilege is left behind", (flags & (RFLAGS_IOPL | 1 << 17)) == 0, (s64)flags);
    const u64 fast[9] = {1, 2, 3, ~0ul, (u64)iret_target, FLAT_CS_KERNEL_FRAME, ~0x100ul & 0xffffffff, top, FLAT_SS};
    try_iret(fast);
    __asm__ volatile("pushf; pop %0" : "=r"(flags));
    check("nor by a return with every flag", (flags & (RFLAGS_IOPL | 1 << 17)) == 0, (s64)flags);
}

static void jumps(void) {
    static const u64 nowhere[] = {1ul << 63, HYPERVISOR_VIRT_START, 0xffff830000000000, 0xffff82d080200000, 0x0000800000000000, ~0ul};
    u64 arrived = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(nowhere); i++) {
        arrived += try_execute((void *)nowhere[i]);
    }
    for (u32 selector = 0; selector < 0x10000; selector += 8) {
        if (selector != 0xe030 && selector != 0xe020) {
            arrived += try_far_call((u16)selector) + try_far_call((u16)(selector | 3));
        }
    }
    check("jumps into the hypervisor", arrived == 0, (s64)arrived);
}

void attack_processor(void) {
    endless_trap_table();
    debug_registers();
    segment_bases();
    msrs();
    returns();
    jumps();
}
