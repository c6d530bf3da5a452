/* SPDX-License-Identifier: Apache-2.0 */
#include "grants.h"

#include "hypercall.h"
#include "mm.h"
#include "runtime.h"

#define GRANT_ENTRIES (PAGE_SIZE / sizeof(struct grant_entry))

extern struct grant_entry grant_table[GRANT_ENTRIES]; /* start.S; mapped at first use */

static void map_table(void) {
    static bool mapped;
    if (mapped) {
        return;
    }
    u64 mfn;
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1, .frame_list = &mfn};
    must_succeed("gnttab_setup_table", hv_grant_table_op(GNTTABOP_SETUP_TABLE, &setup, 1));
    must_succeed("gnttab_setup_table's status", setup.status);
    mm_map_foreign(grant_table, mfn << PAGE_SHIFT);
    mapped = true;
}

s64 grant_access(u16 domain, const void *page, bool read_only) {
    map_table();
    for (u32 ref = GRANT_RESERVED_ENTRIES; ref < GRANT_ENTRIES; ref++) {
        struct grant_entry *entry = &grant_table[ref];
        if (READ_ONCE(entry->flags) == 0) {
            WRITE_ONCE(entry->frame, (u32)va_to_mfn(page));
            WRITE_ONCE(entry->domid, domain);
            compiler_barrier(); /* the flags make the entry valid: last */
            WRITE_ONCE(entry->flags, GTF_PERMIT_ACCESS | (read_only ? GTF_READONLY : 0));
            return ref;
        }
    }
    return -ENOSPC;
}

bool grant_in_use(u32 ref) {
    return READ_ONCE(grant_table[ref].flags) & (GTF_READING | GTF_WRITING);
}

/* The hypervisor sets the in-use bits by compare-and-exchange, so taking back must be one too. */
s64 grant_end(u32 ref) {
    u16 flags = READ_ONCE(grant_table[ref].flags);
    do {
        if (flags & (GTF_READING | GTF_WRITING)) {
            return -EBUSY;
        }
    } while (!__atomic_compare_exchange_n(&grant_table[ref].flags, &flags, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return 0;
}

static void put_back(void *page) {
    must_succeed("update_va_mapping", mm_set_pte(page, make_pte(va_to_mfn(page), PTE_KERNEL_RW)));
}

s64 grant_map(u16 domain, u32 ref, void *page, bool read_only, u32 *handle) {
    /* Our page goes first: mapping a grant over it would leave it in the TLB, which the hypervisor does not flush here. */
    must_succeed("update_va_mapping", mm_set_pte(page, 0));

    struct gnttab_map_grant_ref map = {
        .host_addr = (u64)page,
        .flags = GNTMAP_HOST_MAP | (read_only ? GNTMAP_READONLY : 0),
        .ref = ref,
        .dom = domain,
    };
    must_succeed("gnttab_map_grant_ref", hv_grant_table_op(GNTTABOP_MAP_GRANT_REF, &map, 1));
    if (map.status != 0) {
        put_back(page);
    }
    *handle = map.handle;
    return map.status;
}

s64 grant_unmap(void *page, u32 handle) {
    struct gnttab_unmap_grant_ref unmap = {.host_addr = (u64)page, .handle = handle};
    must_succeed("gnttab_unmap_grant_ref", hv_grant_table_op(GNTTABOP_UNMAP_GRANT_REF, &unmap, 1));
    if (unmap.status == 0) {
        put_back(page);
    }
    return unmap.status;
}
