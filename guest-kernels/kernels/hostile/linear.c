/* SPDX-License-Identifier: Apache-2.0 */
/* Linear page tables: an entry that names a table of its own level shows the tables as memory. Read-only, and never chained. */
#include "kernels/hostile/hostile.h"
#include "runtime.h"

#define LINEAR_SLOT 301

static u64 entry_of(const u64 *table, u64 flags) {
    return make_pte(va_to_mfn(table), flags);
}

static s64 set(u64 *table, unsigned index, u64 value) {
    return update_entry(slot_machine_address(&table[index]), value);
}

static u64 canonical(u64 va) {
    return (u64)((s64)(va << 16) >> 16);
}

/* The kernel's own level-4 table in a slot of itself. */
static void self_map(void) {
    u64 *l4 = play_table[4];
    check_result("a writable self-map", -EINVAL, set(l4, LINEAR_SLOT, entry_of(l4, PTE_TABLE)));
    s64 result = set(l4, LINEAR_SLOT, entry_of(l4, PTE_P | PTE_U | PTE_A));
    check("a read-only self-map", result == 0 || result == -EINVAL, result);
    if (result == 0) {
        check_result("made writable", -EINVAL, set(l4, LINEAR_SLOT, entry_of(l4, PTE_TABLE)));
        check_result("made writable preserving A and D", -EINVAL,
                     update_entry(slot_machine_address(&l4[LINEAR_SLOT]) | MMU_PT_UPDATE_PRESERVE_AD, entry_of(l4, PTE_TABLE)));
        u64 i = LINEAR_SLOT, value;
        u64 *itself = (u64 *)canonical(i << 39 | i << 30 | i << 21 | i << 12);
        check("shows the table", try_read(&itself[LINEAR_SLOT], &value) && value == l4[LINEAR_SLOT], (s64)value);
        check("but is not written through", !try_write(&itself[LINEAR_SLOT], 0) && !try_write(&itself[256], 0), 0);
        u64 *leaves = (u64 *)canonical(i << 39 | PLAY >> 9);
        check("shows the leaves, and is not written through", try_read(leaves, &value) && !try_write(leaves, 0), 0);
        check_result("update_va_mapping through it", -EINVAL, hv_update_va_mapping((u64)itself, 0, UVMF_INVLPG));
        check_result("update_va_mapping of a leaf table through it", -EINVAL,
                     hv_update_va_mapping((u64)leaves, make_pte(va_to_mfn(play_table[1]), PTE_KERNEL_RW), UVMF_INVLPG));
        check_result("and gone", 0, set(l4, LINEAR_SLOT, 0));
        check("for the TLB too", !try_read(&itself[LINEAR_SLOT], &value), 0);
    }
}

/* Tables of one level that name one another: as target or as holder, never both. */
static void chains(void) {
    for (unsigned level = 2; level <= 4; level++) {
        u64 *a = table_page(), *b = table_page(), *c = table_page();
        must_succeed("pinning", pin(level, va_to_mfn(a)));
        must_succeed("pinning", pin(level, va_to_mfn(b)));
        must_succeed("pinning", pin(level, va_to_mfn(c)));
        check_result("a writable linear entry", -EINVAL, set(b, 3, entry_of(a, PTE_TABLE)));
        s64 result = set(b, 3, entry_of(a, PTE_P | PTE_U));
        check("a linear entry", result == 0 || result == -EINVAL, result);
        if (result == 0) {
            check_refused("made writable", set(b, 3, entry_of(a, PTE_TABLE)));
            check_refused("the target names a table in turn", set(a, 3, entry_of(c, PTE_P | PTE_U)));
            check_refused("the target names the holder", set(a, 3, entry_of(b, PTE_P | PTE_U)));
            check_refused("the holder is a target", set(c, 3, entry_of(b, PTE_P | PTE_U)));
            check_result("a second holder", 0, set(c, 3, entry_of(a, PTE_P | PTE_U)));
            check_result("the target unpinned", 0, unpin(va_to_mfn(a)));
            check_result("stays a table", -EBUSY, map_writable(a));
            check_result("one holder less", 0, set(b, 3, 0));
            check_result("stays a table still", -EBUSY, map_writable(a));
            check_result("the other holder unpinned", 0, unpin(va_to_mfn(c)));
            check_result("and it is free", 0, map_writable(a));
            map_read_only(a);
            must_succeed("pinning", pin(level, va_to_mfn(a)));
            must_succeed("a table no more", map_writable(c));
            c[4] = entry_of(a, PTE_TABLE);
            map_read_only(c);
            check_refused("a table with a writable linear entry, offered again", pin(level, va_to_mfn(c)));
            must_succeed("still none", map_writable(c));
            c[3] = c[4] = 0;
            map_read_only(c);
            must_succeed("pinning", pin(level, va_to_mfn(c)));
        }
        must_succeed("unpinning", unpin(va_to_mfn(a)));
        must_succeed("unpinning", unpin(va_to_mfn(b)));
        must_succeed("unpinning", unpin(va_to_mfn(c)));
        table_page_free(a);
        table_page_free(b);
        table_page_free(c);
    }
}

/* A long chain, which would be taken apart by recursion: it must not come to be. */
#define CHAIN 24

static void long_chain(void) {
    u64 *tables[CHAIN];
    unsigned links = 0;
    for (unsigned i = 0; i < CHAIN; i++) {
        tables[i] = table_page();
        must_succeed("pinning", pin(4, va_to_mfn(tables[i])));
        links += i > 0 && set(tables[i], 0, entry_of(tables[i - 1], PTE_P | PTE_U)) == 0;
    }
    check("a chain of linear entries breaks at every second link", links <= CHAIN / 2, links);
    for (unsigned i = 0; i < CHAIN; i++) {
        must_succeed("unpinning", unpin(va_to_mfn(tables[i])));
    }
    for (unsigned i = 0; i < CHAIN; i++) {
        must_succeed("and free", map_writable(tables[i]));
        page_free(tables[i]);
    }
}

void attack_linear(void) {
    self_map();
    chains();
    long_chain();
}
