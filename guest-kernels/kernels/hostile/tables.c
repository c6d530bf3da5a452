/* SPDX-License-Identifier: Apache-2.0 */
/* What is a page table, and when: pins, base pointers, tables that are changed while they are none. */
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

static u64 mfn_of(const u64 *table) {
    return va_to_mfn(table);
}

/* A level-4 table with everything that this kernel needs. */
static u64 *copy_of_kernel_tables(void) {
    u64 *l4 = page_alloc();
    for (unsigned i = 0; i < 512; i++) {
        l4[i] = i >= 256 && i <= 271 ? 0 : play_table[4][i];
    }
    mm_make_read_only(l4);
    return l4;
}

static void pins(void) {
    u64 *l1 = table_page();
    check_result("unpinning what is not pinned", -EINVAL, unpin(mfn_of(l1)));
    check_result("pinning an empty page as level 1", 0, pin(1, mfn_of(l1)));
    check_result("pinning it again", -EINVAL, pin(1, mfn_of(l1)));
    for (unsigned level = 2; level <= 4; level++) {
        check_refused("pinning it as another level", pin(level, mfn_of(l1)));
    }
    check_result("mapping a pinned table writable", -EBUSY, map_writable(l1));
    check_result("unpinning it", 0, unpin(mfn_of(l1)));
    check_result("unpinning it twice", -EINVAL, unpin(mfn_of(l1)));
    check_result("mapping it writable then", 0, map_writable(l1));
    check_refused("pinning a page that is mapped writable", pin(1, mfn_of(l1)));
    for (unsigned level = 1; level <= 4; level++) {
        check_refused("pinning the shared page", pin(level, start_info->shared_info >> PAGE_SHIFT));
    }
    map_read_only(l1);
    table_page_free(l1);
}

/* A table that was checked once, written to when it was none, and offered again. */
static void scribbled(void) {
    for (unsigned level = 1; level <= 4; level++) {
        u64 *table = table_page();
        check_result("pinned when it was clean", 0, pin(level, mfn_of(table)));
        check_result("and unpinned", 0, unpin(mfn_of(table)));
        check_result("writable again", 0, map_writable(table));
        table[17] = make_pte(foreign_frame(), PTE_TABLE);
        map_read_only(table);
        check_refused("pinned after scribbling", pin(level, mfn_of(table)));
        check_result("still no table", 0, map_writable(table));
        table[17] = level == 1 ? make_pte(mfn_of(table), PTE_KERNEL_RW) : make_pte(mfn_of(table), PTE_TABLE);
        map_read_only(table);
        check_refused("pinned with a writable entry for itself", pin(level, mfn_of(table)));
        if (level == 1) {
            map_writable(table);
            table[17] = make_pte(mfn_of(play_table[4]), PTE_KERNEL_RW);
            map_read_only(table);
            check_refused("pinned with a writable entry for another table", pin(1, mfn_of(table)));
        }
        table_page_free(table);
    }
}

/* Validation takes references entry by entry; the last entry is bad, and everything before it must be undone. */
static void undone(void) {
    u64 *l1 = table_page(), *l2 = page_alloc(), *data = page_alloc();
    for (unsigned i = 0; i < 511; i++) {
        l2[i] = make_pte(mfn_of(l1), PTE_TABLE);
    }
    l2[511] = make_pte(foreign_frame(), PTE_TABLE);
    mm_make_read_only(l2);
    check_refused("511 good entries and a bad one", pin(2, mfn_of(l2)));
    check_result("the table below is free again", 0, map_writable(l1));
    for (unsigned i = 0; i < 512; i++) {
        l1[i] = make_pte(va_to_mfn(data), i == 300 ? PTE_KERNEL_RW | PTE_PCD : PTE_KERNEL_RW);
    }
    map_read_only(l1);
    check_refused("300 good leaves and a bad one", pin(1, mfn_of(l1)));
    map_read_only(data);
    check_result("what they mapped is free again", 0, pin(1, va_to_mfn(data)));
    check_result("to be a table, and no longer", 0, unpin(va_to_mfn(data)));
    map_writable(data);
    page_free(data);
    table_page_free(l1);
    table_page_free(l2);
}

/* One frame in two roles. */
static void two_roles(void) {
    u64 *l1 = table_page(), *l2 = page_alloc(), *l3 = page_alloc();
    l2[0] = make_pte(mfn_of(l1), PTE_TABLE);
    mm_make_read_only(l2);
    l3[0] = make_pte(mfn_of(l2), PTE_TABLE);
    l3[1] = make_pte(mfn_of(l1), PTE_TABLE);
    mm_make_read_only(l3);
    check_refused("a table at two levels of one tree", pin(3, mfn_of(l3)));
    check_result("nothing of it stays", 0, map_writable(l1));

    /* The leaf maps the very table that is being validated. */
    l1[3] = make_pte(mfn_of(l2), PTE_KERNEL_RW);
    map_read_only(l1);
    check_refused("a table that is writable through itself", pin(2, mfn_of(l2)));
    check_result("nothing of it stays either", 0, map_writable(l1));
    l1[3] = make_pte(mfn_of(l1), PTE_KERNEL_RW);
    map_read_only(l1);
    check_refused("a leaf table that maps itself writable", pin(2, mfn_of(l2)));
    map_writable(l1);
    l1[3] = 0;
    map_read_only(l1);
    check_result("the same without", 0, pin(2, mfn_of(l2)));
    check_result("an update through which the table would be writable", -EBUSY,
                 update_entry(slot_machine_address(&l1[3]), make_pte(mfn_of(l2), PTE_KERNEL_RW)));
    check_result("and for the table itself", -EBUSY,
                 update_entry(slot_machine_address(&l1[3]), make_pte(mfn_of(l1), PTE_KERNEL_RW)));
    check_result("unpinned", 0, unpin(mfn_of(l2)));
    table_page_free(l1);
    table_page_free(l2);
    table_page_free(l3);
}

static void base_pointers(void) {
    u64 *l4 = copy_of_kernel_tables();
    u64 kernel = mfn_of(play_table[4]);
    static const u64 bad[] = {~0ul, 1ul << 52, 1ul << 63, 1ul << 40};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        check_refused("a base pointer that is no frame", mmuext(MMUEXT_NEW_BASEPTR, bad[i], 0));
    }
    for (unsigned level = 1; level < 4; level++) {
        check_refused("a base pointer of a lower level", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(play_table[level]), 0));
        check_refused("a user base pointer of a lower level", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(play_table[level]), 0));
    }
    check_result("a table that is not pinned as base pointer", 0, mmuext(MMUEXT_NEW_BASEPTR, mfn_of(l4), 0));
    check_result("in use, it cannot be unpinned", -EINVAL, unpin(mfn_of(l4)));
    check_result("nor mapped writable", -EBUSY, map_writable(l4));
    check_result("pinned in use", 0, pin(4, mfn_of(l4)));
    check_result("unpinned in use", 0, unpin(mfn_of(l4)));
    check_result("and still in use", -EBUSY, map_writable(l4));
    u64 own = mfn_of(l4);
    check_result("giving the base pointer away", 0, reservation(XENMEM_DECREASE_RESERVATION, &own, 1, 0));
    check_result("the old base pointer, unpinned", 0, unpin(kernel));
    check("is no table now, and can be again", pin(4, kernel) == 0, 0);
    check_result("both base pointers the same", 0, mmuext(MMUEXT_NEW_USER_BASEPTR, own, 0));
    check_result("back", 0, mmuext(MMUEXT_NEW_BASEPTR, kernel, 0));
    check_result("held by the user's base pointer", -EBUSY, map_writable(l4));
    check_result("until that is gone", 0, mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0));
    check_result("writable again", 0, map_writable(l4));
    page_free(l4);

    /* One batch that pulls the ground away from under itself, as a kernel that hands over does. */
    l4 = copy_of_kernel_tables();
    struct mmuext_op batch[] = {
        {.cmd = MMUEXT_PIN_L4_TABLE, .arg1 = mfn_of(l4)},
        {.cmd = MMUEXT_NEW_BASEPTR, .arg1 = mfn_of(l4)},
        {.cmd = MMUEXT_UNPIN_TABLE, .arg1 = kernel},
        {.cmd = MMUEXT_UNPIN_TABLE, .arg1 = kernel},
        {.cmd = MMUEXT_UNPIN_TABLE, .arg1 = mfn_of(l4)},
    };
    u32 done = 0;
    check_result("a batch that unpins twice", -EINVAL, hypercall4(HC_MMUEXT_OP, (u64)batch, 5, (u64)&done, DOMID_SELF));
    check_result("stopped where it failed", 3, done);
    check_result("the old table again", 0, pin(4, kernel));
    check_result("as base pointer", 0, mmuext(MMUEXT_NEW_BASEPTR, kernel, 0));
    check_result("the new one unpinned", 0, unpin(mfn_of(l4)));
    table_page_free(l4);
}

/* Nothing that was cached may be used after the call that removed it. */
static void stale_translations(void) {
    u64 *l1 = page_alloc(), *l1_again = page_alloc(), *data = page_alloc(), value = 0;
    data[0] = 0x11;
    l1[0] = make_pte(va_to_mfn(data), PTE_KERNEL_RW);
    mm_make_read_only(l1);
    mm_make_read_only(l1_again);
    u64 *slot = &play_table[2][1];
    char *va = (char *)PLAY + (2ul << 20);
    check_result("a second leaf table", 0, update_entry(slot_machine_address(slot), make_pte(mfn_of(l1), PTE_TABLE)));
    check("is read through", try_read(va, &value) && value == 0x11, (s64)value);
    check("and written through", try_write(va, 0x22), 0);
    struct mmu_update batch[] = {
        {slot_machine_address(slot), make_pte(mfn_of(l1_again), PTE_TABLE)}, /* now another table is there */
        {slot_machine_address(&l1[0]), make_pte(foreign_frame(), PTE_KERNEL_RW)}, /* and this is plain data */
    };
    check_result("replaced, and scribbled on, in one batch", 0, hv_mmu_update(batch, 2));
    check("no old translation for reading", !try_read(va, &value), (s64)value);
    check("no old translation for writing", !try_write(va, 0x33), 0);
    check_refused("the scribbled table again", update_entry(slot_machine_address(slot), make_pte(mfn_of(l1), PTE_TABLE)));
    check_result("no second leaf table", 0, update_entry(slot_machine_address(slot), 0));

    /* A writable translation is used, taken away without a flush, and the page becomes a table. */
    check_result("a page mapped twice", 0, hv_update_va_mapping(PLAY, make_pte(va_to_mfn(data), PTE_KERNEL_RW), UVMF_NONE));
    check("written through the second mapping", try_write((void *)PLAY, 0), 0);
    memset(data, 0, PAGE_SIZE);
    must_succeed("unmapping", hv_update_va_mapping(PLAY, make_pte(va_to_mfn(data), PTE_KERNEL_RO), UVMF_NONE));
    must_succeed("unmapping", hv_update_va_mapping((u64)data, make_pte(va_to_mfn(data), PTE_KERNEL_RO), UVMF_NONE));
    check_result("it becomes a table", 0, pin(1, va_to_mfn(data)));
    check("and cannot be written through what the TLB knew",
          !try_write((void *)PLAY, make_pte(foreign_frame(), PTE_KERNEL_RW)) && !try_write(data, 0), 0);
    check_result("a table no more", 0, unpin(va_to_mfn(data)));
    must_succeed("unmapping", hv_update_va_mapping(PLAY, 0, UVMF_INVLPG));
    map_writable(data);
    page_free(data);
    table_page_free(l1);
    table_page_free(l1_again);
}

static void whole_pages(void) {
    u64 *l1 = table_page(), *data = page_alloc();
    u64 data_mfn = va_to_mfn(data);
    data[0] = make_pte(foreign_frame(), PTE_KERNEL_RW);
    must_succeed("pinning", pin(1, mfn_of(l1)));
    check_refused("clear_page on a table", mmuext(MMUEXT_CLEAR_PAGE, mfn_of(l1), 0));
    check_refused("clear_page on the base pointer", mmuext(MMUEXT_CLEAR_PAGE, mfn_of(play_table[4]), 0));
    check_refused("copy_page onto a table", mmuext(MMUEXT_COPY_PAGE, mfn_of(l1), data_mfn));
    check_refused("copy_page from no frame", mmuext(MMUEXT_COPY_PAGE, data_mfn, ~0ul));
    check_refused("copy_page from a frame beyond all", mmuext(MMUEXT_COPY_PAGE, data_mfn, 1ul << 40));
    check("which has not cleared the page", data[0] != 0, 0);
    check_refused("mark_super", mmuext(MMUEXT_MARK_SUPER, data_mfn, 0));
    check_refused("unmark_super", mmuext(MMUEXT_MARK_SUPER + 1, data_mfn, 0));
    must_succeed("unpinning", unpin(mfn_of(l1)));
    table_page_free(l1);
    page_free(data);
}

void attack_tables(void) {
    pins();
    scribbled();
    undone();
    two_roles();
    base_pointers();
    stale_translations();
    whole_pages();
}
