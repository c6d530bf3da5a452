/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gifts: two domains with grant tables of version 2 share parts of pages, pass on each other's grants, and give each other
 * whole frames for good (GNTTABOP_transfer).
 *
 *     role=server   owns the page by which both take turns; start it first
 *     role=client   port=N: the server's port, which it prints
 *     peer=N        the other's domain id
 *     rounds=N      how often frames go there and back (default 100)
 *
 * References are known to both; each has a table of its own, so numbers mean something with their owner only.
 */
#include "cmdline.h"
#include "console.h"
#include "events.h"
#include "hypercall.h"
#include "mm.h"
#include "runtime.h"
#include "string.h"

enum { TURNS = 8, PART, PASSED_ON, LENT, GIFT };

#define PART_OFFSET 1000
#define PART_LENGTH 100
#define WORDS (PAGE_SIZE / sizeof(u64))

/* The page of the server's that both have: whose turn it is, and how many turns there have been. */
struct turns {
    u32 count; /* even: the server's; odd: the client's */
};

static struct grant_entry_v2 table[PAGE_SIZE / sizeof(struct grant_entry_v2)] __attribute__((aligned(PAGE_SIZE)));
static u16 statuses[PAGE_SIZE / sizeof(u16)] __attribute__((aligned(PAGE_SIZE)));
static char arrived_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static u16 peer;
static u32 port;
static struct turns *turns;

static void expect(const char *what, s64 expected, s64 got) {
    if (expected != got) {
        panic("%s: expected %ld, got %ld", what, expected, got);
    }
}

static void woken(u32 which, void *argument) {
    (void)which;
    (void)argument; /* the page says what happened */
}

/* ---- turns ---- */

static u32 turn(void) {
    return __atomic_load_n(&turns->count, __ATOMIC_ACQUIRE);
}

static void hand_over(void) {
    __atomic_store_n(&turns->count, turn() + 1, __ATOMIC_RELEASE);
    event_send(port);
}

static void await_turn(u32 mine) {
    WAIT_UNTIL((turn() & 1) == mine);
}

/* ---- the table ---- */

static void use_version_2(void) {
    u32 version = 2;
    must_succeed("set_version", hv_grant_table_op(GNTTABOP_SET_VERSION, &version, 1));
    expect("the version that set_version answers", 2, version);
    u64 mfn;
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1, .frame_list = &mfn};
    must_succeed("setup_table", hv_grant_table_op(GNTTABOP_SETUP_TABLE, &setup, 1));
    expect("setup_table's status", 0, setup.status);
    mm_map_foreign(table, mfn << PAGE_SHIFT);
    struct gnttab_get_status_frames get = {.dom = DOMID_SELF, .nr_frames = 1, .frame_list = &mfn};
    must_succeed("get_status_frames", hv_grant_table_op(GNTTABOP_GET_STATUS_FRAMES, &get, 1));
    expect("get_status_frames' status", 0, get.status);
    mm_map_foreign(statuses, mfn << PAGE_SHIFT);
}

/* The flags make the entry valid: last. */
static void grant(u32 ref, u16 flags) {
    table[ref].domid = peer;
    __atomic_store_n(&table[ref].flags, flags, __ATOMIC_RELEASE);
}

static bool in_use(u32 ref) {
    return READ_ONCE(statuses[ref]) & (GTF_READING | GTF_WRITING);
}

/* Version 2 ends a grant by a store and then a look at the status. */
static void end(u32 ref) {
    __atomic_store_n(&table[ref].flags, 0, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (in_use(ref)) {
        panic("grant %u is still in use", ref);
    }
}

static void fill(void *page, u64 seed) {
    u64 *words = page;
    for (unsigned i = 0; i < WORDS; i++) {
        words[i] = seed ^ (i * 0x9e3779b97f4a7c15ul);
    }
}

static void expect_filled(const char *what, const void *page, u64 seed) {
    const u64 *words = page;
    for (unsigned i = 0; i < WORDS; i++) {
        if (words[i] != (seed ^ (i * 0x9e3779b97f4a7c15ul))) {
            panic("%s: word %u is %016lx", what, i, words[i]);
        }
    }
}

/* ---- copies ---- */

static s16 copy_from(u32 ref, u16 offset, void *page, u16 length) {
    struct gnttab_copy copy = {
        .source = ref,
        .source_dom = peer,
        .source_offset = offset,
        .dest = va_to_mfn(page),
        .dest_dom = DOMID_SELF,
        .length = length,
        .flags = GNTCOPY_SOURCE_GREF,
        .status = 1,
    };
    must_succeed("grant copy", hv_grant_table_op(GNTTABOP_COPY, &copy, 1));
    return copy.status;
}

static s16 map_of_peer(u32 ref, void *page, u32 *handle) {
    must_succeed("update_va_mapping", mm_set_pte(page, 0));
    struct gnttab_map_grant_ref map = {.host_addr = (u64)page, .flags = GNTMAP_HOST_MAP, .ref = ref, .dom = peer};
    must_succeed("map_grant_ref", hv_grant_table_op(GNTTABOP_MAP_GRANT_REF, &map, 1));
    *handle = map.handle;
    if (map.status != 0) {
        must_succeed("update_va_mapping", mm_set_pte(page, make_pte(va_to_mfn(page), PTE_KERNEL_RW)));
    }
    return map.status;
}

/* ---- gifts ---- */

/* Gives a page that nothing is mapped of any more; it is gone. */
static s16 give(u64 mfn, u32 ref) {
    struct gnttab_transfer transfer = {.mfn = mfn, .domid = peer, .ref = ref, .status = 1};
    must_succeed("transfer", hv_grant_table_op(GNTTABOP_TRANSFER, &transfer, 1));
    return transfer.status;
}

/* A frame of this domain's out of the way, so that there is room for another's. */
static void make_room(void) {
    void *page = page_alloc();
    u64 mfn = va_to_mfn(page);
    must_succeed("update_va_mapping", mm_set_pte(page, 0));
    struct xen_memory_reservation give_back = {.extent_start = (u64)&mfn, .nr_extents = 1, .domid = DOMID_SELF};
    expect("decrease_reservation", 1, hypercall2(HC_MEMORY_OP, XENMEM_DECREASE_RESERVATION, (u64)&give_back));
}

static u64 take_gift(u32 ref) {
    u16 done = GTF_ACCEPT_TRANSFER | GTF_TRANSFER_COMMITTED | GTF_TRANSFER_COMPLETED;
    expect("flags of an entry that has received", done, READ_ONCE(table[ref].flags));
    u64 mfn = READ_ONCE(table[ref].frame);
    table[ref].flags = 0;
    must_succeed("mapping what was given", mm_set_pte(arrived_page, make_pte(mfn, PTE_KERNEL_RW)));
    return mfn;
}

/* ---- the server ---- */

static void lend_part(void) {
    char *page = page_alloc();
    fill(page, 1);
    table[PART].frame = va_to_mfn(page);
    table[PART].part.offset = PART_OFFSET;
    table[PART].part.length = PART_LENGTH;
    grant(PART, GTF_PERMIT_ACCESS | GTF_SUB_PAGE | GTF_READONLY);
    hand_over();
    await_turn(0);
    end(PART);
}

/* The client gets what it has lent itself, through us. */
static void pass_on(void) {
    table[PASSED_ON].origin_domid = peer;
    table[PASSED_ON].frame = LENT;
    grant(PASSED_ON, GTF_TRANSITIVE);
    hand_over();
    await_turn(0);
    end(PASSED_ON);
}

static void serve(u32 rounds) {
    turns = page_alloc();
    table[TURNS].frame = va_to_mfn(turns);
    grant(TURNS, GTF_PERMIT_ACCESS);
    s64 unbound = event_alloc_unbound(peer);
    must_succeed("alloc_unbound", unbound);
    port = (u32)unbound;
    event_set_handler(port, woken, NULL);
    turns->count = 1;
    printf("gifts: server: offers port=%u to domain %u\n", port, peer);

    await_turn(0);
    if (!in_use(TURNS)) {
        panic("the page is mapped, and its status does not say so");
    }
    lend_part();
    printf("gifts: server: part of a page lent\n");
    pass_on();
    printf("gifts: server: a grant passed on\n");
    hand_over();
    await_turn(0);

    void *page = page_alloc();
    u64 mfn = va_to_mfn(page);
    fill(page, 2);
    expect("a transfer of a mapped frame", GNTST_BAD_PAGE, give(mfn, GIFT));
    must_succeed("update_va_mapping", mm_set_pte(page, 0));
    for (u32 round = 0; round < rounds; round++) {
        expect("a transfer to nobody", GNTST_BAD_DOMAIN, (peer ^= 0x100, give(mfn, GIFT)));
        peer ^= 0x100;
        expect("a transfer nobody waits for", GNTST_GENERAL_ERROR, give(mfn, LENT));
        expect("a transfer", 0, give(mfn, GIFT));
        expect("the same again", GNTST_BAD_PAGE, give(mfn, GIFT));
        grant(GIFT, GTF_ACCEPT_TRANSFER);
        hand_over();
        await_turn(0);
        mfn = take_gift(GIFT);
        expect_filled("what came back", arrived_page, 3 + round);
        fill(arrived_page, 2);
        must_succeed("unmapping what came back", mm_set_pte(arrived_page, 0));
    }
    hand_over();
    await_turn(0);
    end(TURNS);
    printf("gifts: server: %u frames given and got back\n", rounds);
}

/* ---- the client ---- */

static void take_part(void *scratch) {
    u32 handle;
    expect("mapping a part", GNTST_GENERAL_ERROR, map_of_peer(PART, scratch, &handle));
    fill(scratch, 1);
    memset((char *)scratch + PART_OFFSET, 0, PART_LENGTH);
    struct gnttab_copy copy = {
        .source = PART,
        .source_dom = peer,
        .source_offset = PART_OFFSET,
        .dest = va_to_mfn(scratch),
        .dest_dom = DOMID_SELF,
        .dest_offset = PART_OFFSET,
        .length = PART_LENGTH,
        .flags = GNTCOPY_SOURCE_GREF,
    };
    must_succeed("grant copy", hv_grant_table_op(GNTTABOP_COPY, &copy, 1));
    expect("copying the part", 0, copy.status);
    expect_filled("the part", scratch, 1);
    expect("copying before the part", GNTST_GENERAL_ERROR, copy_from(PART, PART_OFFSET - 1, scratch, 2));
    expect("copying beyond it", GNTST_GENERAL_ERROR, copy_from(PART, PART_OFFSET, scratch, PART_LENGTH + 1));
}

static void visit(u32 server_port, u32 rounds) {
    u32 handle;
    turns = page_alloc();
    void *scratch = page_alloc();
    expect("mapping the page of turns", 0, map_of_peer(TURNS, turns, &handle));
    s64 bound = event_bind_interdomain(peer, server_port);
    must_succeed("bind_interdomain", bound);
    port = (u32)bound;
    event_set_handler(port, woken, NULL);

    void *lent = page_alloc();
    fill(lent, 4);
    table[LENT].frame = va_to_mfn(lent);
    grant(LENT, GTF_PERMIT_ACCESS | GTF_READONLY);
    hand_over();
    await_turn(1);
    take_part(scratch);
    printf("gifts: client: part of a page copied\n");
    hand_over();
    await_turn(1);
    expect("copying what is passed on", 0, copy_from(PASSED_ON, 0, scratch, PAGE_SIZE));
    expect_filled("what was passed on", scratch, 4);
    end(LENT);
    expect("copying what is no longer lent", GNTST_GENERAL_ERROR, copy_from(PASSED_ON, 0, scratch, PAGE_SIZE));
    expect("copying from nothing", GNTST_GENERAL_ERROR, copy_from(LENT, 0, scratch, PAGE_SIZE));
    printf("gifts: client: copied what was passed on\n");
    hand_over();
    await_turn(1);

    make_room();
    grant(GIFT, GTF_ACCEPT_TRANSFER);
    hand_over();
    for (u32 round = 0; round < rounds; round++) {
        await_turn(1);
        u64 mfn = take_gift(GIFT);
        expect_filled("a gift", arrived_page, 2);
        fill(arrived_page, 3 + round);
        must_succeed("unmapping a gift", mm_set_pte(arrived_page, 0));
        expect("giving it back", 0, give(mfn, GIFT));
        grant(GIFT, GTF_ACCEPT_TRANSFER);
        hand_over();
    }
    await_turn(1);
    struct gnttab_unmap_grant_ref unmap = {.host_addr = (u64)turns, .handle = handle};
    __atomic_store_n(&turns->count, turn() + 1, __ATOMIC_RELEASE);
    must_succeed("unmap_grant_ref", hv_grant_table_op(GNTTABOP_UNMAP_GRANT_REF, &unmap, 1));
    expect("unmapping the page of turns", 0, unmap.status);
    event_send(port);
    printf("gifts: client: %u frames got and given back\n", rounds);
}

void kernel_main(void) {
    char role[8];
    cmdline_string("role", role, sizeof role);
    peer = (u16)cmdline_u64("peer", 0);
    u32 rounds = (u32)cmdline_u64("rounds", 100);
    use_version_2();
    if (strcmp(role, "server") == 0) {
        serve(rounds);
    } else if (strcmp(role, "client") == 0) {
        visit((u32)cmdline_u64("port", 0), rounds);
    } else {
        panic("role=\"%s\" on the command line; it must be server or client", role);
    }
    printf("gifts: done\n");
}
