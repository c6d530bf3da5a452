/* SPDX-License-Identifier: Apache-2.0 */
/* Memory given back and taken again, and an M2P that says what is not so. */
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

static s64 give(u64 mfn) {
    return reservation(XENMEM_DECREASE_RESERVATION, &mfn, 1, 0);
}

static s64 map(u64 mfn, u64 flags) {
    return hv_update_va_mapping(PLAY, make_pte(mfn, flags), UVMF_INVLPG);
}

static s64 unmap(void) {
    return hv_update_va_mapping(PLAY, 0, UVMF_INVLPG);
}

/* Frames that something still refers to are not given up. */
static void in_use(void) {
    u64 *page = page_alloc(), mfn = va_to_mfn(page);
    check_result("giving back a page that is mapped", 0, give(mfn));
    map_read_only(page);
    check_result("giving back a page that is mapped read-only", 0, give(mfn));
    must_succeed("pinning", pin(1, mfn));
    must_succeed("unmapping", mm_set_pte(page, 0));
    check_result("giving back a page table that is pinned", 0, give(mfn));
    must_succeed("unpinning", unpin(mfn));
    must_succeed("mapping", map_writable(page));
    page_free(page);
    for (unsigned level = 1; level <= 4; level++) {
        check_result("giving back a page table", 0, give(va_to_mfn(play_table[level])));
    }
    check_result("giving back the shared page", 0, give(start_info->shared_info >> PAGE_SHIFT));
}

static void freed(void) {
    u64 pfn = start_info->nr_pages / 2 + 1, mfn = mfn_of_pfn(pfn), value;
    must_succeed("mapping", map(mfn, PTE_KERNEL_RW));
    memset((void *)PLAY, 0x77, PAGE_SIZE);
    must_succeed("unmapping", unmap());
    u64 twice[] = {mfn, mfn};
    check_result("the same page twice in one list", 1, reservation(XENMEM_DECREASE_RESERVATION, twice, 2, 0));
    check_result("and again", 0, give(mfn));
    check_refused("mapping it then", map(mfn, PTE_KERNEL_RW));
    check_refused("reading it then", map(mfn, PTE_KERNEL_RO));
    check("by an old translation", !try_read((void *)PLAY, &value), (s64)value);
    check_refused("pinning it then", pin(1, mfn));
    check_refused("its M2P entry then", update_entry(mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, pfn));
    u64 list = pfn;
    check_result("a page in its place", 1, reservation(XENMEM_POPULATE_PHYSMAP, &list, 1, 0));
    set_mfn_of_pfn(pfn, list);
    check("the M2P knows it", is_mine(list), (s64)list);
    must_succeed("mapping", map(list, PTE_KERNEL_RW));
    u64 other = 0;
    for (unsigned i = 0; i < 512; i++) {
        other |= ((u64 *)PLAY)[i];
    }
    check("and nothing of anybody's is in it", other == 0, (s64)other);
    must_succeed("unmapping", unmap());
}

#define MANY 64

/* As much as there is, and no more. */
static void exhaustion(void) {
    static u64 list[MANY * 2];
    u64 first = start_info->nr_pages - MANY - 1;
    s64 before = hypercall2(HC_MEMORY_OP, XENMEM_CURRENT_RESERVATION, (u64) & (u16){DOMID_SELF});
    u64 one = 0;
    check_result("a page more than the domain may have", 0, reservation(XENMEM_INCREASE_RESERVATION, &one, 1, 0));
    for (unsigned i = 0; i < MANY; i++) {
        list[i] = mfn_of_pfn(first + i);
    }
    check_result("many pages given back", MANY, reservation(XENMEM_DECREASE_RESERVATION, list, MANY, 0));
    for (unsigned i = 0; i < MANY * 2; i++) {
        list[i] = i < MANY ? first + i : ~0ul - i; /* no such page numbers: nobody needs to believe them */
    }
    check_result("and more asked for", MANY, reservation(XENMEM_POPULATE_PHYSMAP, list, MANY * 2, 0));
    for (unsigned i = 0; i < MANY; i++) {
        set_mfn_of_pfn(first + i, list[i]);
    }
    s64 after = hypercall2(HC_MEMORY_OP, XENMEM_CURRENT_RESERVATION, (u64) & (u16){DOMID_SELF});
    check_result("the domain has what it had", before, after);

    check_result("one given back", 1, give(list[0]));
    u64 absurd = ~0ul << 3;
    check_result("one with an absurd number", 1, reservation(XENMEM_POPULATE_PHYSMAP, &absurd, 1, 0));
    set_mfn_of_pfn(first, absurd);
    check("its number is what was asked for", MACHINE_TO_PHYS[absurd] == ~0ul << 3, (s64)MACHINE_TO_PHYS[absurd]);
    must_succeed("its number", update_entry(absurd << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, first));
    check("and it is an ordinary page", is_mine(absurd) && map(absurd, PTE_KERNEL_RW) == 0 && try_write((void *)PLAY, 1), 0);
    must_succeed("unmapping", unmap());
}

/* The guest may write anything into its own frames' entries. Nothing follows from it. */
static void forged_m2p(void) {
    u64 pfn = start_info->nr_pages / 2 + 2, mfn = mfn_of_pfn(pfn);
    u64 of_table = MACHINE_TO_PHYS[va_to_mfn(play_table[1])];
    static const u64 absurd[] = {~0ul, ~0ul - 1, 1ul << 63, 1ul << 52, 1ul << 31, 1ul << 32, 0, 1};
    for (size_t i = 0; i < ARRAY_LENGTH(absurd); i++) {
        check_result("an absurd M2P entry", 0, update_entry(mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, absurd[i]));
        if (absurd[i] < ~0ul - 1 && MACHINE_TO_PHYS[mfn] != absurd[i]) {
            check("is there", false, (s64)MACHINE_TO_PHYS[mfn]);
        }
        check_result("and the page is the same page", 0, map(mfn, PTE_KERNEL_RW));
        must_succeed("unmapping", unmap());
    }
    must_succeed("forging", update_entry(mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, of_table));
    check_result("said to be a page table's page, it is mapped writable as before", 0, map(mfn, PTE_KERNEL_RW));
    must_succeed("unmapping", unmap());
    must_succeed("forging", update_entry(va_to_mfn(play_table[1]) << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, pfn));
    check_result("a page table said to be an ordinary page is not mapped writable", -EBUSY,
                 map(va_to_mfn(play_table[1]), PTE_KERNEL_RW));
    must_succeed("mending", update_entry(va_to_mfn(play_table[1]) << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, of_table));
    check_result("with another's number it is given back", 1, give(mfn));
    u64 list = pfn;
    check_result("and a page comes in its place", 1, reservation(XENMEM_POPULATE_PHYSMAP, &list, 1, 0));
    set_mfn_of_pfn(pfn, list);
}

void attack_reservations(void) {
    in_use();
    freed();
    exhaustion();
    forged_m2p();
}
