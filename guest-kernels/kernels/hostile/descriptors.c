/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor tables: what may stand in them, who may write to them, and what an LDT lets in. */
#include "console.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

#define DESCRIPTORS 512
#define DATA_DPL_0 0x00cf93000000ffff
#define DATA_DPL_3 0x00cff3000000ffff
#define PRESENT (1ul << 47)
#define DPL_3 (3ul << 45)
#define TYPE(type) ((u64)(type) << 40)

/* To the hypervisor's own code segment, to address 0; and to the guest's. */
#define CALL_GATE_TO_HYPERVISOR (PRESENT | DPL_3 | TYPE(12) | 0xe008ul << 16)
#define CALL_GATE_TO_GUEST (PRESENT | DPL_3 | TYPE(12) | 0xe033ul << 16)

static s64 set_gdt(u64 mfn) {
    return hv_set_gdt(&mfn, DESCRIPTORS);
}

static s64 set_ldt(const void *base, u64 entries) {
    return mmuext(MMUEXT_SET_LDT, (u64)base, entries);
}

static void contents(void) {
    u64 *page = table_page(), mfn = va_to_mfn(page);
    u64 accepted = 0;
    for (unsigned type = 1; type < 16; type++) {
        must_succeed("writing descriptors", map_writable(page));
        page[9] = PRESENT | DPL_3 | TYPE(type) | (type == 12 ? 0xe008ul << 16 : 0);
        map_read_only(page);
        accepted += set_gdt(mfn) >= 0 ? 1ul << type : 0;
    }
    check("system descriptors in a GDT", accepted == 0, (s64)accepted);

    must_succeed("writing descriptors", map_writable(page));
    page[9] = 0;
    page[511] = CALL_GATE_TO_HYPERVISOR;
    map_read_only(page);
    check_refused("one in the last place, beyond the count that is set", hv_set_gdt(&mfn, 8));

    must_succeed("writing descriptors", map_writable(page));
    page[511] = 0;
    page[1] = DATA_DPL_0;
    page[2] = CALL_GATE_TO_GUEST;
    map_read_only(page);
    check_result("a segment of ring 0 is accepted", 0, set_gdt(mfn));
    check("but is of ring 3 now", (page[1] & DPL_3) == DPL_3, (s64)page[1]);
    check("a call gate to the guest's code cannot be used", !try_far_call(2 << 3 | 3), (s64)last_vector);

    accepted = 0;
    for (unsigned type = 1; type < 16; type++) {
        u64 descriptor = PRESENT | DPL_3 | TYPE(type) | (type == 12 ? 0xe008ul << 16 : 0);
        accepted += hypercall2(HC_UPDATE_DESCRIPTOR, mfn << PAGE_SHIFT | 8, descriptor) >= 0 ? 1ul << type : 0;
    }
    check("system descriptors by update_descriptor", accepted == 0, (s64)accepted);
    for (u64 offset = 1; offset < 8; offset++) {
        accepted += hypercall2(HC_UPDATE_DESCRIPTOR, (mfn << PAGE_SHIFT) + offset, DATA_DPL_3) >= 0;
    }
    check("misaligned descriptors", accepted == 0, (s64)accepted);
    check_result("update_descriptor of a segment", 0, hypercall2(HC_UPDATE_DESCRIPTOR, mfn << PAGE_SHIFT | 24, DATA_DPL_0));
    check("is of ring 3 too", (page[3] & DPL_3) == DPL_3, (s64)page[3]);
    for (unsigned level = 1; level <= 4; level++) {
        check_refused("update_descriptor on a page table",
                      hypercall2(HC_UPDATE_DESCRIPTOR, va_to_mfn(play_table[level]) << PAGE_SHIFT, DATA_DPL_3));
    }

    /* While it is a descriptor page nobody else may write to it. */
    u64 *data = page_alloc();
    check_result("a GDT mapped writable", -EBUSY, hv_update_va_mapping(PLAY, make_pte(mfn, PTE_KERNEL_RW), UVMF_INVLPG));
    check_result("a GDT made writable", -EBUSY, map_writable(page));
    check_refused("mmu_update of a GDT", update_entry(mfn << PAGE_SHIFT, CALL_GATE_TO_HYPERVISOR));
    check_refused("clear_page on a GDT", mmuext(MMUEXT_CLEAR_PAGE, mfn, 0));
    check_refused("copy_page onto a GDT", mmuext(MMUEXT_COPY_PAGE, mfn, va_to_mfn(data)));
    check_refused("a GDT as a page table", pin(1, mfn));
    check("a GDT written to by an instruction", !try_write(&page[4], CALL_GATE_TO_HYPERVISOR), 0);
    u64 again = mfn;
    check_result("a GDT given back", 0, reservation(XENMEM_DECREASE_RESERVATION, &again, 1, 0));

    /* Changed while it was none. */
    check_result("no GDT", 0, hv_set_gdt(NULL, 0));
    check_result("then it is writable", 0, map_writable(page));
    page[5] = CALL_GATE_TO_HYPERVISOR;
    check_refused("a GDT that is still mapped writable", set_gdt(mfn));
    map_read_only(page);
    check_refused("a GDT that was changed in between", set_gdt(mfn));
    check_result("nothing of it stays", 0, map_writable(page));
    page[5] = 0;
    page_free(data);
    page_free(page);
}

static void gdt_arguments(void) {
    u64 *page = table_page();
    u64 frames[16];
    for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
        frames[i] = va_to_mfn(page);
    }
    check_result("a GDT of the most entries, all in one frame", 0, hv_set_gdt(frames, 7168));
    frames[13] = foreign_frame();
    check_refused("a GDT whose last frame is a stranger's", hv_set_gdt(frames, 7168));
    static const u64 counts[] = {7169, 8192, 1ul << 31, 1ul << 32, (1ul << 32) + 1, 1ul << 63, ~0ul};
    u64 accepted = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        s64 result = hypercall2(HC_SET_GDT, (u64)frames, counts[i]);
        accepted += result >= 0 && (u32)counts[i] > 1;
    }
    check("GDTs that are too long", accepted == 0, (s64)accepted);
    check_result("a page table in the GDT", -EINVAL, set_gdt(va_to_mfn(play_table[1])));
    check_result("no GDT", 0, hv_set_gdt(NULL, 0));
    check_result("its frame is free", 0, map_writable(page));
    page_free(page);
}

static u16 ldt_selector(unsigned index) {
    return (u16)(index << 3 | 7);
}

static void ldt(void) {
    u64 *page = page_alloc();
    static const u64 bases[] = {HYPERVISOR_VIRT_START, 0xffff830000000000, 0x0000800000000000, 1ul << 63, ~0ul << 12,
                                0x00007ffffffff000, 0xffff7ffffffff000};
    for (size_t i = 0; i < ARRAY_LENGTH(bases); i++) {
        s64 result = set_ldt((void *)bases[i], 8192);
        check("an LDT that is not in guest memory", result < 0 && !try_load_ds(ldt_selector(1)), result);
    }
    static const u64 counts[] = {8193, 1ul << 31, 1ul << 32, ~0ul, (1ul << 32) | 8193};
    u64 accepted = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        accepted += set_ldt(page, counts[i]) >= 0 && (u32)counts[i] != 0 ? 1ul << i : 0;
    }
    check("LDTs that are too long", accepted == 0, (s64)accepted);
    check_refused("a misaligned LDT", set_ldt((char *)page + 8, 8));
    set_ldt(0, 0);

    page[1] = DATA_DPL_3;
    check_result("an LDT in a writable page", 0, set_ldt(page, 512));
    check("is not used", !try_load_ds(ldt_selector(1)), (s64)last_vector);
    map_read_only(page);
    check("in a read-only page it is", try_load_ds(ldt_selector(1)), (s64)last_vector);
    check_result("and then not writable", -EBUSY, map_writable(page));
    check("beyond its end there is nothing", !try_load_ds(ldt_selector(512)), 0);
    set_ldt(page, 8192);
    check("nor where nothing is mapped or all is code", !try_load_ds(ldt_selector(8191)), 0);
    set_ldt(0, 0);
    check_result("writable when it is no LDT", 0, map_writable(page));

    /* XSA-298: what the page holds is checked when it becomes an LDT, however it came there. */
    page[2] = CALL_GATE_TO_HYPERVISOR;
    map_read_only(page);
    check_result("an LDT with a call gate", 0, set_ldt(page, 512));
    check("is not attached", !try_load_ds(ldt_selector(1)), (s64)last_vector);
    bool called = try_far_call(ldt_selector(2));
    check("and its gate leads nowhere", !called && last_vector == TRAP_GP, (s64)last_vector);
    set_ldt(0, 0);
    map_writable(page);
    page[2] = 0;

    /* The address of the LDT is made to show something else. */
    map_read_only(page);
    set_ldt((void *)PLAY, 512);
    must_succeed("mapping", hv_update_va_mapping(PLAY, make_pte(va_to_mfn(play_table[1]), PTE_KERNEL_RO), UVMF_INVLPG));
    check("an LDT over a page table", !try_load_ds(ldt_selector(0)) && !try_load_ds(ldt_selector(1)), (s64)last_vector);
    must_succeed("mapping", hv_update_va_mapping(PLAY, make_pte(start_info->shared_info >> PAGE_SHIFT, PTE_KERNEL_RO), UVMF_INVLPG));
    check("an LDT over the shared page", !try_load_ds(ldt_selector(1)), (s64)last_vector);
    must_succeed("mapping", hv_update_va_mapping(PLAY, make_pte(va_to_mfn(page), PTE_KERNEL_RO), UVMF_INVLPG));
    check("an LDT over the page itself", try_load_ds(ldt_selector(1)), (s64)last_vector);
    must_succeed("unmapping", hv_update_va_mapping(PLAY, 0, UVMF_INVLPG));
    check_result("unmapped, it is still held", -EBUSY, map_writable(page));
    check_result("another LDT lets go of it", 0, set_ldt(0, 0));
    check_result("and it is writable", 0, map_writable(page));
    page_free(page);
}

void attack_descriptors(void) {
    contents();
    gdt_arguments();
    ldt();
}
