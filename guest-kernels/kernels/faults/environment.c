/* SPDX-License-Identifier: Apache-2.0 */
/* What probes find: user space, pages of each permission, a descriptor table, gates for INT n. */
#include "hypercall.h"
#include "kernels/faults/probe.h"
#include "mm.h"
#include "runtime.h"
#include "string.h"

/* For the probe that writes to it: where the entry of PAGE_RW is. */
const u64 *own_level_1;

static void map(u64 va, u64 mfn, u64 flags) {
    must_succeed("mapping a page for probes", mm_map((void *)va, make_pte(mfn, flags)));
}

static void map_new(u64 va, u64 flags) {
    void *page = page_alloc();
    memset(page, 0xcc, PAGE_SIZE); /* INT3, should execution get there */
    map(va, va_to_mfn(page), flags);
}

static void make_pages(void) {
    const u64 user_rw = PTE_KERNEL_RW | PTE_U, user_ro = PTE_KERNEL_RO | PTE_U;

    for (char *code = user_text_start; code < user_text_end; code += PAGE_SIZE) {
        map(USER_CODE + (u64)(code - user_text_start), va_to_mfn(code), user_ro);
    }
    map_new(USER_STACK_END - PAGE_SIZE, user_rw);
    map_new(PAGE_RW, user_rw);
    map_new(PAGE_RO, user_ro);
    map_new(PAGE_NX, user_rw | PTE_NX);
    map_new(PAGE_NO_U, PTE_KERNEL_RW);
    own_level_1 = mm_slot((void *)PAGE_RW);
}

#define DESCRIPTORS (PAGE_SIZE / sizeof(u64))

static void make_gdt(void) {
    u64 *gdt = page_alloc();
    gdt[SEL_DATA / 8] = 0x00cff3000000ffff;
    gdt[SEL_ABSENT / 8] = 0x00cf73000000ffff;
    gdt[SEL_EXECUTE_ONLY / 8] = 0x00aff9000000ffff;
    gdt[SEL_CODE / 8] = 0x00affb000000ffff;

    u64 frame = mm_make_read_only(gdt);
    must_succeed("set_gdt", hv_set_gdt(&frame, DESCRIPTORS));
}

void environment_init(void *trap_stack_end) {
    user_init(trap_stack_end);
    make_pages();
    make_gdt();
    trap_set_gate(INT_KERNEL, 1, true);
    trap_set_gate(INT_NO_MASK, 1, false);
    trap_set_gate(INT_ANYBODY, 3, true);
}
