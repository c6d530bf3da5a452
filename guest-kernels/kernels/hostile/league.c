/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hostile domains in league. Each runs this kernel; the first grants the second a page by which they agree how far they
 * are, and then they do to each other's frames, side by side, what one domain alone cannot: use a granted frame for something
 * else, take back what the other still uses, replace the entry behind a grant, pass a frame on, die while the other holds it.
 *
 *     role=first|second peer=DOMID   who this is, and the other
 *     part=holding|storm             instead of the directed attacks: the first holds pages of the second, which dies, and reads
 *                                    a line when that is so; or both make random calls, with seed= and steps=
 */
#include "cmdline.h"
#include "console.h"
#include "events.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

#define COMMON_REF 500
#define REF 100
#define PAGES 8
#define PATIENCE_NS (100 * NS_PER_S)

#define COMMON_AT ((void *)(PLAY + 31 * PAGE_SIZE))
#define WINDOW(i) (PLAY + (210 + (i)) * PAGE_SIZE)
#define WINDOW_SLOT(i) slot_machine_address(&play_table[1][210 + (i)])

/* The page that both see. */
static volatile struct common {
    u32 at[2];
    u32 port;
    u64 frames[2][48];
} *common;

static bool first;
static u16 self, peer;
static u32 step;

/* Both come here before either goes on. */
static void meet(void) {
    common->at[!first] = ++step;
    u64 give_up = time_now() + PATIENCE_NS;
    while (common->at[first] < step) {
        if (time_now() > give_up) {
            panic("the other has not come to step %u", step);
        }
        hv_sched_op(SCHEDOP_YIELD, NULL);
    }
}

static void get_together(void) {
    if (first) {
        common = page_alloc();
        grant_set(COMMON_REF, GTF_PERMIT_ACCESS, peer, va_to_mfn((const void *)common));
    } else {
        common = COMMON_AT;
        u64 give_up = time_now() + PATIENCE_NS;
        u32 handle;
        while (grant_map_at(peer, COMMON_REF, (u64)COMMON_AT, GNTMAP_HOST_MAP, &handle) < 0) {
            if (time_now() > give_up) {
                panic("the other is not there");
            }
            hv_sched_op(SCHEDOP_YIELD, NULL);
        }
    }
    meet();
}

/* What this domain checks has its name in front. */
static void check_status(const char *name, s64 expected, s64 got) {
    char line[100];
    snprintf(line, sizeof line, "%s: %s", first ? "first" : "second", name);
    check_result(line, expected, got);
}

static void check_not(const char *name, bool accepted, s64 got) {
    char line[100];
    snprintf(line, sizeof line, "%s: %s", first ? "first" : "second", name);
    check(line, !accepted, got);
}

static s64 map(u32 ref, unsigned window, u32 flags, u32 *handle) {
    return grant_map_at(peer, ref, WINDOW(window), GNTMAP_HOST_MAP | flags, handle);
}

static s64 unmap(unsigned window, u32 handle) {
    return grant_unmap_at(WINDOW(window), 0, handle);
}

static s64 exchange(u64 mfn) {
    u64 in = mfn, out = 0;
    struct {
        struct xen_memory_reservation in, out;
        u64 nr_exchanged;
    } op = {
        .in = {.extent_start = (u64)&in, .nr_extents = 1, .domid = DOMID_SELF},
        .out = {.extent_start = (u64)&out, .nr_extents = 1, .domid = DOMID_SELF},
    };
    return hypercall2(HC_MEMORY_OP, XENMEM_EXCHANGE, (u64)&op);
}

/* ---- a frame that is mapped by a grant is not one's own --------------------------------------------------------------- */

static void as_table(u64 mfn, const char *how) {
    char name[80];
    u64 accepted = 0;
    for (unsigned level = 1; level <= 4; level++) {
        accepted += pin(level, mfn) == 0;
        accepted += level > 1 && update_entry(slot_machine_address(&play_table[level][level == 4 ? 300 : 12]), make_pte(mfn, PTE_TABLE)) == 0;
    }
    accepted += mmuext(MMUEXT_NEW_BASEPTR, mfn, 0) == 0;
    accepted += mmuext(MMUEXT_NEW_USER_BASEPTR, mfn, 0) == 0;
    snprintf(name, sizeof name, "the other's frame, %s, as a page table", how);
    check_not(name, accepted != 0, (s64)accepted);
}

static void as_ones_own(u64 mfn, const char *how) {
    char name[80];
    u64 entry = *mm_slot((void *)WINDOW(0)), accepted = 0;
    accepted += hv_update_va_mapping(WINDOW(1), make_pte(mfn, PTE_KERNEL_RO), UVMF_INVLPG) == 0 ? 1 : 0;
    accepted += hv_update_va_mapping(WINDOW(1), make_pte(mfn, PTE_KERNEL_RW), UVMF_INVLPG) == 0 ? 2 : 0;
    accepted += update_entry(WINDOW_SLOT(1), entry) == 0 ? 4 : 0;
    accepted += update_entry(WINDOW_SLOT(1) | MMU_PT_UPDATE_PRESERVE_AD, entry) == 0 ? 8 : 0;
    snprintf(name, sizeof name, "the other's frame, %s, by an ordinary entry", how);
    check_not(name, accepted != 0, (s64)accepted);

    accepted = hv_set_gdt(&mfn, 512) >= 0 ? 1 : 0;
    accepted += hypercall2(HC_UPDATE_DESCRIPTOR, mfn << PAGE_SHIFT, 0x00cff3000000ffff) >= 0 ? 2 : 0;
    mmuext(MMUEXT_SET_LDT, WINDOW(0), 512);
    accepted += probe_load_ds(0 << 3 | 7) == 0 ? 4 : 0;
    mmuext(MMUEXT_SET_LDT, 0, 0);
    snprintf(name, sizeof name, "the other's frame, %s, as a descriptor table", how);
    check_not(name, accepted != 0, (s64)accepted);

    struct vcpu_register_vcpu_info info = {.mfn = mfn};
    u64 list = mfn;
    accepted = mmuext(MMUEXT_CLEAR_PAGE, mfn, 0) >= 0 ? 1 : 0;
    accepted += mmuext(MMUEXT_COPY_PAGE, mfn, mfn_of_pfn(0)) >= 0 ? 2 : 0;
    accepted += mmuext(MMUEXT_COPY_PAGE, mfn_of_pfn(start_info->nr_pages - 1), mfn) >= 0 ? 4 : 0;
    accepted += reservation(XENMEM_DECREASE_RESERVATION, &list, 1, 0) > 0 ? 8 : 0;
    accepted += exchange(mfn) >= 0 ? 16 : 0;
    accepted += update_entry(mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 5) >= 0 ? 32 : 0;
    accepted += update_entry(mfn << PAGE_SHIFT, 5) >= 0 ? 64 : 0;
    accepted += hv_vcpu_op(VCPUOP_REGISTER_VCPU_INFO, 0, &info) >= 0 ? 128 : 0;
    snprintf(name, sizeof name, "the other's frame, %s, in calls for one's own", how);
    check_not(name, accepted != 0, (s64)accepted);
}

static void passed_on(u64 mfn) {
    u32 handle;
    grant_set(REF + 20, GTF_PERMIT_ACCESS, self, mfn);
    check_not("the other's frame, granted to oneself", grant_map_at(self, REF + 20, WINDOW(2), GNTMAP_HOST_MAP, &handle) >= 0, 0);
    check_not("for a device", grant_map_at(self, REF + 20, 0, GNTMAP_DEVICE_MAP, &handle) >= 0, 0);
    check_not("and copied from", grant_copy((struct gnttab_copy){.source = REF + 20, .source_dom = self, .dest = mfn_of_pfn(0),
                                            .dest_dom = DOMID_SELF, .length = 8, .flags = GNTCOPY_SOURCE_GREF}) >= 0, 0);
    grant_set(REF + 20, GTF_PERMIT_ACCESS, peer, mfn); /* the other tries it below */
    check_not("copied by its frame", grant_copy((struct gnttab_copy){.source = mfn, .source_dom = DOMID_SELF, .dest = mfn_of_pfn(0),
                                                .dest_dom = DOMID_SELF, .length = 8}) >= 0, 0);
    check_not("copied by its frame, in its owner's name",
              grant_copy((struct gnttab_copy){.source = mfn, .source_dom = peer, .dest = mfn_of_pfn(0), .dest_dom = DOMID_SELF,
                                              .length = 8}) >= 0, 0);
    check_not("a grant mapped by an entry in it",
              grant_map_at(peer, REF, mfn << PAGE_SHIFT, GNTMAP_HOST_MAP | GNTMAP_CONTAINS_PTE, &handle) >= 0, 0);
}

static void used_for_something_else(void) {
    static u64 *shared;
    u32 handle = 0, other;
    u64 value = 0;
    if (first) {
        shared = page_alloc();
        common->frames[0][0] = va_to_mfn(shared);
        grant_set(REF, GTF_PERMIT_ACCESS, peer, va_to_mfn(shared));
    }
    meet();
    u64 mfn = common->frames[0][0];
    if (!first) {
        check_status("mapped writable", 0, map(REF, 0, 0, &handle));
        check_not("is written through", !try_write((void *)WINDOW(0), 0xb0a), 0);
        as_table(mfn, "mapped writable");
        as_ones_own(mfn, "mapped writable");
        passed_on(mfn);
    }
    meet();
    if (first) {
        map_read_only(shared);
        u64 list = va_to_mfn(shared);
        check_status("sees what was written", 0xb0a, (s64)shared[0]);
        check_not("a page that the other writes to as a table", pin(1, list) == 0, 0);
        check_status("or given back", 0, reservation(XENMEM_DECREASE_RESERVATION, &list, 1, 0));
        check_not("or exchanged", exchange(va_to_mfn(shared)) >= 0, 0);
        check_not("one's own frame, granted on by the other",
                  grant_map_at(peer, REF + 20, WINDOW(2), GNTMAP_HOST_MAP, &other) >= 0, 0);
        grant_set(REF, 0, 0, 0); /* taken back while it is mapped */
    }
    meet();
    if (!first) {
        check_not("still mapped after it was taken back", !try_read((void *)WINDOW(0), &value) || value != 0xb0a, (s64)value);
        if (map(REF, 1, 0, &other) == 0) { /* while it is in use, it is what it was */
            check_not("mapped again, is the same", !try_read((void *)WINDOW(1), &value) || value != 0xb0a, (s64)value);
            check_status("and unmapped", 0, unmap(1, other));
        }
        check_status("unmapped", 0, unmap(0, handle));
        check_not("mapped when it is not in use any more", map(REF, 1, 0, &other) >= 0, 0);
        check_not("and gone", try_read((void *)WINDOW(0), &value), (s64)value);
        check_status("unmapped twice", GNTST_BAD_HANDLE, unmap(0, handle));
        grant_set(REF + 20, 0, 0, 0);
    }
    meet();

    /* Now it is a page table of its owner's. */
    if (first) {
        check_status("a table when nobody writes to it", 0, pin(1, va_to_mfn(shared)));
        grant_set(REF, GTF_PERMIT_ACCESS, peer, va_to_mfn(shared));
    }
    meet();
    if (!first) {
        check_not("the other's table mapped writable", map(REF, 0, 0, &other) >= 0, 0);
        check_not("for a device", grant_map_at(peer, REF, 0, GNTMAP_DEVICE_MAP, &other) >= 0, 0);
        check_not("copied to", grant_copy((struct gnttab_copy){.source = mfn_of_pfn(0), .source_dom = DOMID_SELF, .dest = REF,
                                          .dest_dom = peer, .length = 8, .flags = GNTCOPY_DEST_GREF}) >= 0, 0);
        check_status("mapped read-only", 0, map(REF, 0, GNTMAP_READONLY, &handle));
        check_not("is not written through", try_write((void *)WINDOW(0), 0), 0);
        check_not("made writable", update_entry(WINDOW_SLOT(0), *mm_slot((void *)WINDOW(0)) | PTE_RW) == 0, 0);
        as_table(mfn, "a table mapped read-only");
        as_ones_own(mfn, "a table mapped read-only");
    }
    meet();
    if (first) {
        check_status("a table no more, while the other looks", 0, unpin(va_to_mfn(shared)));
        check_status("written to", 0, map_writable(shared));
        shared[0] = 0xcafe0;
    }
    meet();
    if (!first) {
        check_not("sees what is written", !try_read((void *)WINDOW(0), &value) || value != 0xcafe0, (s64)value);
        check_status("unmapped", 0, unmap(0, handle));
    }
    meet();
    if (first) {
        grant_set(REF, 0, 0, 0);
        page_free(shared);
    }
}

/* ---- entries that are replaced behind a grant's back ----------------------------------------------------------------------- */

static void replaced_entries(void) {
    static u64 *shared;
    u32 handle = 0, handles[2] = {0};
    if (first) {
        shared = page_alloc();
        common->frames[0][0] = va_to_mfn(shared);
        grant_set(REF, GTF_PERMIT_ACCESS, peer, va_to_mfn(shared));
    }
    meet();
    if (!first) {
        u64 own = mfn_of_pfn(start_info->nr_pages - 1), value;
        check_status("mapped by the address of an entry", 0,
                     grant_map_at(peer, REF, WINDOW_SLOT(0), GNTMAP_HOST_MAP | GNTMAP_CONTAINS_PTE, &handle));
        check_status("which is replaced", 0, update_entry(WINDOW_SLOT(0), make_pte(own, PTE_KERNEL_RW)));
        check_status("unmapped then", GNTST_GENERAL_ERROR, grant_unmap_at(WINDOW_SLOT(0), 0, handle));
        check_not("leaves what is there now", !try_read((void *)WINDOW(0), &value), 0);
        must_succeed("unmapping", hv_update_va_mapping(WINDOW(0), 0, UVMF_INVLPG));

        /* Each of two mappings undone by the other's address. */
        check_status("mapped once", 0, map(REF, 0, 0, &handles[0]));
        check_status("mapped twice", 0, map(REF, 1, 0, &handles[1]));
        grant_unmap_at(WINDOW(1), 0, handles[0]);
        grant_unmap_at(WINDOW(0), 0, handles[1]);
        grant_unmap_at(WINDOW(1), 0, handles[0]);
        grant_unmap_at(WINDOW(0), 0, handles[1]);
        check_not("crosswise unmapped, nothing stays", try_read((void *)WINDOW(0), &value) || try_read((void *)WINDOW(1), &value), 0);

        /* The table goes in which it is mapped. */
        u64 *table = table_page(), slot = slot_machine_address(&table[5]);
        check_status("a table for it", 0, pin(1, va_to_mfn(table)));
        check_status("mapped there", 0, grant_map_at(peer, REF, slot, GNTMAP_HOST_MAP | GNTMAP_CONTAINS_PTE, &handle));
        check_status("the table is none any more", 0, unpin(va_to_mfn(table)));
        u64 entry = table[5];
        check_status("and is written to", 0, map_writable(table));
        check_not("unmapped in what is no table", grant_unmap_at(slot, 0, handle) >= 0, 0);
        check_status("leaves it as it is", (s64)entry, (s64)table[5]);
        must_succeed("read-only", map_read_only(table));
        check_not("the other's frame in a new table", pin(1, va_to_mfn(table)) == 0, 0);
        table_page_free(table);
    }
    meet();
    if (first) {
        map_read_only(shared);
        check_status("nobody writes to it any more", 0, pin(1, va_to_mfn(shared)) == 0 ? unpin(va_to_mfn(shared)) : -1);
        map_writable(shared);
        grant_set(REF, 0, 0, 0);
        page_free(shared);
    }
}

/* ---- event channels -------------------------------------------------------------------------------------------------------- */

static void ports(void) {
    static s64 port;
    if (first) {
        port = event_alloc_unbound(peer);
        common->port = (u32)port;
    }
    meet();
    if (!first) {
        u64 accepted = 0;
        for (u32 p = 0; p < 64; p++) { /* only one of these is for us */
            s64 bound = event_bind_interdomain(peer, p);
            accepted += bound >= 0 && p != common->port;
            port = p == common->port ? bound : port;
        }
        check_not("ports of the other that are not for us", accepted != 0, (s64)accepted);
        check_not("bound", port < 0, port);
        check_not("bound twice", event_bind_interdomain(peer, common->port) >= 0, 0);
        u64 theirs[3] = {peer | (u64)common->port << 32};
        check_not("the other's port looked at", hv_event_channel_op(EVTCHNOP_STATUS, theirs) >= 0, 0);
    }
    meet();
    /* Both at once: notify and close, and the other's notification finds nobody. */
    for (unsigned i = 0; i < 200; i++) {
        u32 p = (u32)port;
        hv_event_channel_op(EVTCHNOP_SEND, &p);
    }
    check_status("closed, while the other notifies", 0, event_close((u32)port));
    meet();
}

/* ---- many at once ------------------------------------------------------------------------------------------------------------ */

#define ROUNDS 400

/* The first turns its pages from data to tables and back, grants them and takes them back; the second maps them all the while. */
static void tables_and_mappings_race(void) {
    static u64 *page[PAGES];
    u64 done = 0, refused = 0, wrong = 0;
    for (unsigned i = 0; first && i < PAGES; i++) {
        page[i] = table_page();
        common->frames[0][i] = va_to_mfn(page[i]);
        grant_set(REF + i, GTF_PERMIT_ACCESS, peer, va_to_mfn(page[i]));
    }
    meet();
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = round % PAGES;
        if (first) {
            if (pin(1, va_to_mfn(page[i])) == 0) {
                done++;
                for (unsigned n = 0; n < 512; n++) {
                    wrong += (READ_ONCE(page[i][n]) & PTE_P) != 0;
                }
                hv_sched_op(SCHEDOP_YIELD, NULL);
                for (unsigned n = 0; n < 512; n++) {
                    wrong += (READ_ONCE(page[i][n]) & PTE_P) != 0;
                }
                wrong += unpin(va_to_mfn(page[i])) != 0;
            } else {
                refused++;
            }
            if (round % 16 < PAGES && map_writable(page[i]) == 0) {
                page[i][7] = 0; /* the forgery of a while ago */
                must_succeed("read-only", map_read_only(page[i]));
            }
        } else {
            u32 handle;
            if (map(REF + i, i, 0, &handle) == 0) {
                done++;
                wrong += !try_write((void *)(WINDOW(i) + 56), make_pte(foreign_frame(), PTE_KERNEL_RW));
                if (round % 3) {
                    wrong += !try_write((void *)(WINDOW(i) + 56), 0);
                }
                wrong += unmap(i, handle) != 0;
                u64 value;
                wrong += try_read((void *)WINDOW(i), &value);
            } else {
                refused++;
            }
        }
    }
    check_not("pages that are tables here and mapped writable there", wrong != 0, (s64)wrong);
    printf("hostile: %s: %lu done, %lu refused\n", first ? "first" : "second", done, refused);
    meet();
    for (unsigned i = 0; first && i < PAGES; i++) {
        grant_set(REF + i, 0, 0, 0);
        table_page_free(page[i]);
    }
}

/* ---- one dies while the other holds its pages ---------------------------------------------------------------------------------- */

static bool intact(unsigned i, u64 value) {
    u64 got;
    return try_read((void *)(WINDOW(i) + i * 8), &got) && got == value;
}

static void holding(void) {
    static u64 *page[PAGES];
    u32 handles[PAGES], none;
    if (!first) {
        for (unsigned i = 0; i < PAGES; i++) {
            page[i] = page_alloc();
            page[i][i] = 0x1de + i;
            grant_set(REF + i, GTF_PERMIT_ACCESS | (i % 2 ? GTF_READONLY : 0), peer, va_to_mfn(page[i]));
        }
        meet();
        meet();
        printf("hostile: second: dying\n");
        crash();
    }
    meet();
    u64 wrong = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        wrong += map(REF + i, i, i % 2 ? GNTMAP_READONLY : 0, &handles[i]) != 0 || !intact(i, 0x1de + i);
    }
    check_not("pages of the other, mapped", wrong != 0, (s64)wrong);
    u64 frame = (*mm_slot((void *)WINDOW(0)) & PTE_FRAME_MASK) >> PAGE_SHIFT;
    meet();
    char line[8];
    printf("hostile: first: holding\n");
    console_read_line(line, sizeof line);

    for (unsigned i = 0; i < PAGES; i++) {
        wrong += !intact(i, 0x1de + i);
    }
    check_not("they are what they were after its owner has gone", wrong != 0, (s64)wrong);
    as_table(frame, "which has gone,");
    as_ones_own(frame, "which has gone,");
    check_not("another grant of who has gone", map(REF, 9, 0, &none) >= 0, 0);
    check_not("copied from who has gone", grant_copy((struct gnttab_copy){.source = REF, .source_dom = peer, .dest = mfn_of_pfn(0),
                                                     .dest_dom = DOMID_SELF, .length = 8, .flags = GNTCOPY_SOURCE_GREF}) >= 0, 0);
    for (unsigned i = 0; i < PAGES; i++) {
        wrong += i % 2 ? try_write((void *)WINDOW(i), 1) : !try_write((void *)WINDOW(i), 1);
    }
    check_not("and as writable as they were", wrong != 0, (s64)wrong);
    for (unsigned i = 0; i < PAGES - 1; i++) { /* the last is still held at the end */
        wrong += unmap(i, handles[i]) != 0 || unmap(i, handles[i]) == 0;
    }
    check_not("unmapped once each", wrong != 0, (s64)wrong);
    check_not("and their frames are not ours", hv_update_va_mapping(WINDOW(0), make_pte(frame, PTE_KERNEL_RO), UVMF_INVLPG) == 0, 0);
}

/* ---- random calls -------------------------------------------------------------------------------------------------------------- */

static void storm(void) {
    const u64 *arena = random_prepare();
    for (unsigned i = 0; i < ARRAY_LENGTH(common->frames[0]); i++) {
        common->frames[!first][i] = arena[i];
    }
    meet();
    static u64 theirs[ARRAY_LENGTH(common->frames[0])];
    for (unsigned i = 0; i < ARRAY_LENGTH(theirs); i++) {
        theirs[i] = common->frames[first][i];
    }
    random_league(peer, theirs, ARRAY_LENGTH(theirs));
    attack_at_random(cmdline_u64("seed", 1) * 2 + first, cmdline_u64("steps", 20000));
}

bool attack_in_league(void) {
    char role[8], part[16];
    if (!cmdline_string("role", role, sizeof role)) {
        return false;
    }
    first = strcmp(role, "first") == 0;
    peer = (u16)cmdline_u64("peer", 0);
    self = domain_id();
    get_together();
    cmdline_string("part", part, sizeof part);
    if (strcmp(part, "holding") == 0) {
        holding();
    } else if (strcmp(part, "storm") == 0) {
        storm();
        return true;
    } else {
        used_for_something_else();
        replaced_entries();
        ports();
        tables_and_mappings_race();
        if (first) {
            meet();
        } else {
            u32 handle; /* the page that both see goes last, by force */
            meet();
            must_succeed("unmapping", hv_update_va_mapping((u64)COMMON_AT, 0, UVMF_INVLPG));
            check_not("the common page again", map(COMMON_REF, 0, 0, &handle) < 0, 0);
            check_status("unmapped", 0, unmap(0, handle));
        }
        world_check(first ? "first" : "second");
    }
    return true;
}
