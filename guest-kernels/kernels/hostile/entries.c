/* SPDX-License-Identifier: Apache-2.0 */
/* Forged page-table entries: bits that are refused, the fast path that must not skip checks, the hypervisor's slots. */
#include "console.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

static u64 slot_ma(unsigned level, unsigned index) {
    return slot_machine_address(&play_table[level][index]);
}

static unsigned play_index(unsigned level) {
    return PLAY >> (PAGE_SHIFT + 9 * (level - 1)) & 511;
}

/* Each bit alone, in a new entry and added to one that is there, where a check of "the same frame" could skip it. */
static void refused_bits(void) {
    static const struct {
        const char *name;
        u64 bit;
        unsigned lowest_level;
    } bits[] = {
        {"PSE or PAT", PTE_PSE, 1}, {"PCD", PTE_PCD, 1}, {"PWT", PTE_PWT, 1}, {"G above the leaves", PTE_G, 2},
    };
    u64 mfn = mfn_of_pfn(start_info->nr_pages / 2);
    must_succeed("mapping a page", hv_update_va_mapping(PLAY, make_pte(mfn, PTE_KERNEL_RW), UVMF_INVLPG));
    for (size_t i = 0; i < ARRAY_LENGTH(bits); i++) {
        for (unsigned level = bits[i].lowest_level; level <= 4; level++) {
            char name[80];
            u64 there = play_table[level][play_index(level)];
            snprintf(name, sizeof name, "level %u: %s, in a new entry", level, bits[i].name);
            u64 fresh = level == 4 ? slot_ma(4, 300) : slot_ma(level, 9);
            check_result(name, -EINVAL, update_entry(fresh, make_pte(mfn, PTE_TABLE | bits[i].bit)));
            snprintf(name, sizeof name, "level %u: %s, added to an entry", level, bits[i].name);
            check_result(name, -EINVAL, update_entry(slot_ma(level, play_index(level)), there | bits[i].bit));
            snprintf(name, sizeof name, "level %u: %s, added preserving A and D", level, bits[i].name);
            check_result(name, -EINVAL,
                         update_entry(slot_ma(level, play_index(level)) | MMU_PT_UPDATE_PRESERVE_AD, there | bits[i].bit));
            snprintf(name, sizeof name, "level %u: %s, in a table that is pinned", level, bits[i].name);
            u64 *table = page_alloc();
            table[5] = level == 1 ? make_pte(mfn, PTE_KERNEL_RO | bits[i].bit)
                                  : (play_table[level][play_index(level)] | bits[i].bit);
            u64 table_mfn = mm_make_read_only(table);
            check_refused(name, pin(level, table_mfn));
            table_page_free(table);
        }
    }
    u64 leaf = slot_ma(1, 0), before = play_table[1][0], accepted = 0;
    for (u64 bit = 1ul << 40; bit < 1ul << 52; bit <<= 1) {
        accepted += update_entry(leaf, make_pte(mfn, PTE_KERNEL_RW) | bit) >= 0;
    }
    check("level 1: address bits that the machine does not have", accepted == 0 && play_table[1][0] == before, (s64)accepted);
    check_result("level 1: the frame of all ones", -EINVAL, update_entry(leaf, PTE_FRAME_MASK | PTE_KERNEL_RO));
    must_succeed("unmapping", hv_update_va_mapping(PLAY, 0, UVMF_INVLPG));
}

static void commands(void) {
    u64 ma = slot_ma(1, 0);
    s64 worst = -1;
    for (u64 command = 4; command < 8; command++) {
        s64 result = update_entry(ma | command, 0);
        worst = result >= 0 ? result : worst;
    }
    check("mmu_update: commands that do not exist", worst < 0, worst);
}

/* An entry that gives write access to a table, each way in which it could come to be. */
static void writable_tables(void) {
    for (unsigned level = 1; level <= 4; level++) {
        char name[80];
        u64 mfn = va_to_mfn(play_table[level]);
        snprintf(name, sizeof name, "a level-%u table, mapped writable", level);
        check_result(name, -EBUSY, hv_update_va_mapping(PLAY, make_pte(mfn, PTE_KERNEL_RW), UVMF_INVLPG));
        snprintf(name, sizeof name, "a level-%u table, mapped read-only", level);
        check_result(name, 0, hv_update_va_mapping(PLAY, make_pte(mfn, PTE_KERNEL_RO), UVMF_INVLPG));
        snprintf(name, sizeof name, "a level-%u table, read-only made writable", level);
        check_result(name, -EBUSY, update_entry(slot_ma(1, 0), play_table[1][0] | PTE_RW));
        snprintf(name, sizeof name, "a level-%u table, read-only made writable preserving A and D", level);
        check_result(name, -EBUSY, update_entry(slot_ma(1, 0) | MMU_PT_UPDATE_PRESERVE_AD, play_table[1][0] | PTE_RW));
        snprintf(name, sizeof name, "a level-%u table, written to by an instruction", level);
        check(name, !try_write((void *)(PLAY + 8), 0) && !try_write(&play_table[level][9], 0), 0);
    }
    must_succeed("unmapping", hv_update_va_mapping(PLAY, 0, UVMF_INVLPG));
}

/* With writable page tables the hypervisor carries a faulting store to a leaf out: under the same rules. */
static void emulated_stores(void) {
    u64 foreign = make_pte(foreign_frame(), PTE_KERNEL_RW);
    u64 own_table = make_pte(va_to_mfn(play_table[2]), PTE_KERNEL_RW);
    for (unsigned enabled = 0; enabled < 2; enabled++) {
        if (enabled) {
            hypercall2(HC_VM_ASSIST, 0, VMASST_WRITABLE_PAGE_TABLES);
        }
        u64 before = play_table[1][9], value;
        try_write(&play_table[1][9], foreign);
        try_write((char *)&play_table[1][9] + 4, foreign >> 32);
        try_write((char *)&play_table[1][9] - 3, foreign << 24);
        try_write(&play_table[1][9], own_table);
        check(enabled ? "writable page tables: a forged entry" : "no writable page tables: a forged entry",
              READ_ONCE(play_table[1][9]) == before && !try_read((void *)(PLAY + 9 * PAGE_SIZE), &value),
              (s64)play_table[1][9]);
        check(enabled ? "writable page tables: a level-2 entry" : "no writable page tables: a level-2 entry",
              !try_write(&play_table[2][9], 0), 0);
        before = play_table[4][300];
        check(enabled ? "writable page tables: a level-4 entry" : "no writable page tables: a level-4 entry",
              !try_write(&play_table[4][300], play_table[4][256]) && READ_ONCE(play_table[4][300]) == before, 0);
    }
    hypercall2(HC_VM_ASSIST, 1, VMASST_WRITABLE_PAGE_TABLES);
}

static void reserved_slots(void) {
    u64 changed = 0, accepted = 0;
    for (unsigned i = 256; i <= 271; i++) {
        u64 before = play_table[4][i];
        const u64 values[] = {0, before, before | PTE_RW, before & ~PTE_P, play_table[4][play_index(4)],
                              make_pte(va_to_mfn(play_table[3]), PTE_TABLE), make_pte(va_to_mfn(play_table[4]), PTE_P | PTE_U)};
        for (size_t v = 0; v < ARRAY_LENGTH(values); v++) {
            accepted += update_entry(slot_ma(4, i), values[v]) >= 0;
            accepted += update_entry(slot_ma(4, i) | MMU_PT_UPDATE_PRESERVE_AD, values[v]) >= 0;
        }
        changed += READ_ONCE(play_table[4][i]) != before;
    }
    check("the hypervisor's top-level slots, updated", accepted == 0 && changed == 0, (s64)accepted);
    check_refused("the hypervisor's slot 256 in another slot", update_entry(slot_ma(4, 300), play_table[4][256]));
    check_refused("the hypervisor's slot 256 in another slot, read-only",
                  update_entry(slot_ma(4, 300), play_table[4][256] & ~PTE_RW));

    for (unsigned level = 1; level < 4; level++) {
        char name[80];
        snprintf(name, sizeof name, "slots 256 to 271 of a level-%u table are like others", level);
        check_result(name, 0, update_entry(slot_ma(level, 260), 0));
    }

    /* A table brings its own contents for these slots: they are replaced, not believed. */
    u64 *l4 = page_alloc();
    for (unsigned i = 256; i <= 271; i++) {
        l4[i] = make_pte(i % 2 ? foreign_frame() : va_to_mfn(play_table[3]), PTE_TABLE);
    }
    u64 mfn = mm_make_read_only(l4);
    check_result("a level-4 table with its own hypervisor slots is pinned", 0, pin(4, mfn));
    u64 kept = 0;
    for (unsigned i = 256; i <= 271; i++) {
        u64 target = (l4[i] & PTE_FRAME_MASK) >> PAGE_SHIFT;
        kept += (l4[i] & PTE_P) && (is_mine(target) || target == foreign_frame());
    }
    check("its hypervisor slots are the hypervisor's", kept == 0, (s64)kept);
    check_result("and it is unpinned", 0, unpin(mfn));
    table_page_free(l4);
}

static void addresses(void) {
    u64 pte = make_pte(mfn_of_pfn(start_info->nr_pages / 2), PTE_KERNEL_RW);
    static const u64 vas[] = {
        1ul << 63, HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_START + (4ul << 39), HYPERVISOR_VIRT_END - PAGE_SIZE,
        0x0000800000000000, 0xffff7ffffffff000, 0x7fff00000000, ~0ul, 0xffff880000000000,
    };
    s64 worst = -1;
    for (size_t i = 0; i < ARRAY_LENGTH(vas); i++) {
        for (u64 flags = 0; flags < 8; flags++) {
            s64 result = hv_update_va_mapping(vas[i], pte, flags);
            worst = result >= 0 ? result : worst;
        }
    }
    check("update_va_mapping: addresses without tables, or the hypervisor's", worst < 0, worst);
    for (u64 ptr = 0; ptr < 2; ptr++) { /* the flush that follows takes an address, too */
        u64 set = ptr ? HYPERVISOR_VIRT_START : 0x0000800000000000;
        hv_update_va_mapping(PLAY, 0, set | UVMF_INVLPG);
    }
}

void attack_entries(void) {
    refused_bits();
    commands();
    writable_tables();
    emulated_stores();
    reserved_slots();
    addresses();
}
