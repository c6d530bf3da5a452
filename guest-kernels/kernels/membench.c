/* SPDX-License-Identifier: Apache-2.0 */
/*
 * membench: what the ways of changing what is mapped, and of telling somebody, cost a guest. Every figure stands beside that
 * of the emptiest hypercall, taken in the same run: machines and engines differ, their ratios less.
 *
 *     loops=N    operations a round (default 20000); a round of a batch makes as many entries
 *     rounds=N   rounds a path (default 9, at most 31); the rounds of all paths are interleaved
 *     only=TEXT  only paths whose name contains it (no spaces)
 *
 * A line a path:
 *
 *     membench: NAME  MEDIAN ns  (least MIN)  RATIO x empty
 *
 * Each path leaves something behind that is checked after its last round, so that none is measured that did not do its
 * work; what is wrong is a panic. Figures are an entry's or a page's where the name says so, else a whole operation's.
 * Time is the system clock (xen-pv-abi.md, 11), read once a round.
 */
#include "cmdline.h"
#include "console.h"
#include "events.h"
#include "grants.h"
#include "hypercall.h"
#include "mm.h"
#include "runtime.h"
#include "string.h"
#include "time.h"
#include "traps.h"

#define PROBE ((volatile u64 *)0x4000000000) /* 256 GiB: tables of its own, of which this maps the first pages */
#define BATCH 128
#define MOST_ROUNDS 31
#define MARK_A 0xaaaaaaaaaaaaaaaa
#define MARK_B 0xbbbbbbbbbbbbbbbb
#define COPIES 16

static u64 frame_a, frame_b;

static u64 pte_a(void) {
    return make_pte(frame_a, PTE_KERNEL_RW);
}

static u64 pte_b(void) {
    return make_pte(frame_b, PTE_KERNEL_RW);
}

static u64 slot_address(const volatile void *va) {
    const u64 *slot = mm_slot((const void *)va);
    return va_to_mfn(slot) << PAGE_SHIFT | ((u64)slot & (PAGE_SIZE - 1));
}

static void flush_all(void) {
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    must_succeed("flush", hv_mmuext_op(&op, 1));
}

static void expect(const char *what, u64 expected, u64 got) {
    if (expected != got) {
        panic("%s: expected 0x%lx, got 0x%lx", what, expected, got);
    }
}

static u64 word_of(const volatile void *page) {
    return *(const volatile u64 *)page;
}

/* The word behind PROBE's page i, whatever the TLB remembers. */
static u64 seen_at(u64 i) {
    flush_all();
    return word_of((const volatile char *)PROBE + i * PAGE_SIZE);
}

/* ---- calls that do nothing ------------------------------------------------------------------------------------------ */

static void empty(u64 loops) {
    s64 version = 0;
    for (u64 i = 0; i < loops; i++) {
        version |= hv_xen_version(XENVER_VERSION, NULL);
    }
    if (version <= 0) {
        panic("xen_version: %ld", version);
    }
}

static void empty_batch(u64 loops) {
    for (u64 i = 0; i < loops; i++) {
        must_succeed("mmu_update of nothing", hv_mmu_update(NULL, 0));
    }
}

/* ---- page tables ---------------------------------------------------------------------------------------------------- */

static void update_single(u64 loops) {
    struct mmu_update update = {.ptr = slot_address(PROBE)};
    for (u64 i = 0; i < loops; i++) {
        update.val = i & 1 ? pte_a() : pte_b();
        must_succeed("mmu_update", hv_mmu_update(&update, 1));
    }
    expect("mmu_update, one", loops & 1 ? MARK_B : MARK_A, seen_at(0));
}

static void update_batches(u64 loops, u32 size) {
    static struct mmu_update updates[BATCH];
    u64 first = slot_address(PROBE), done = 0;
    for (u64 turn = 0; done < loops; turn++, done += size) {
        u64 pte = turn & 1 ? pte_a() : pte_b();
        for (u32 i = 0; i < size; i++) {
            updates[i].ptr = first + i * sizeof(u64);
            updates[i].val = pte;
        }
        must_succeed("mmu_update", hv_mmu_update(updates, size));
    }
    expect("mmu_update, a batch", done / size & 1 ? MARK_B : MARK_A, seen_at(size - 1));
}

static void update_16(u64 loops) {
    update_batches(loops, 16);
}

static void update_128(u64 loops) {
    update_batches(loops, BATCH);
}

static void va_mapping(u64 loops, u64 flags) {
    for (u64 i = 0; i < loops; i++) {
        must_succeed("update_va_mapping", hv_update_va_mapping((u64)PROBE, i & 1 ? pte_a() : pte_b(), flags));
    }
    expect("update_va_mapping", loops & 1 ? MARK_B : MARK_A, seen_at(0));
}

static void va_mapping_plain(u64 loops) {
    va_mapping(loops, UVMF_NONE);
}

/* Mapped, touched, unmapped: what a mapping costs whoever uses it once. */
static void map_touch_unmap(u64 loops) {
    u64 sum = 0;
    for (u64 i = 0; i < loops; i++) {
        must_succeed("update_va_mapping", hv_update_va_mapping((u64)PROBE, pte_a(), UVMF_NONE));
        sum += *PROBE & 1;
        must_succeed("update_va_mapping", hv_update_va_mapping((u64)PROBE, 0, UVMF_INVLPG));
    }
    expect("words read", 0, sum);
    expect("the entry", 0, *mm_slot((const void *)PROBE));
}

/* A level-1 table of 512 entries that all map something, in use by nobody else. */
static void pin_table(u64 loops) {
    static u64 *table;
    if (table == NULL) {
        table = page_alloc();
        for (u32 i = 0; i < PAGE_SIZE / sizeof(u64); i++) {
            table[i] = make_pte(i & 1 ? frame_a : frame_b, PTE_KERNEL_RW);
        }
        mm_make_read_only(table);
    }
    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = va_to_mfn(table)};
    struct mmuext_op unpin = {.cmd = MMUEXT_UNPIN_TABLE, .arg1 = va_to_mfn(table)};
    for (u64 done = 0; done < loops; done += PAGE_SIZE / sizeof(u64)) {
        must_succeed("pin", hv_mmuext_op(&pin, 1));
        must_succeed("unpin", hv_mmuext_op(&unpin, 1));
    }
}

/* A store to a level-1 entry that faults, is carried out by the hypervisor, and goes on. */
static void writable_tables(u64 loops) {
    volatile u64 *entry = (volatile u64 *)mm_slot((const void *)PROBE);
    must_succeed("vm_assist", hv_vm_assist(VMASST_ENABLE, VMASST_WRITABLE_PAGE_TABLES));
    for (u64 i = 0; i < loops; i++) {
        *entry = i & 1 ? pte_a() : pte_b();
    }
    must_succeed("vm_assist", hv_vm_assist(VMASST_DISABLE, VMASST_WRITABLE_PAGE_TABLES));
    expect("stores to a table", loops & 1 ? MARK_B : MARK_A, seen_at(0));
}

static void flush_one(u64 loops) {
    struct mmuext_op op = {.cmd = MMUEXT_INVLPG_ALL, .arg1 = (u64)PROBE};
    for (u64 i = 0; i < loops; i++) {
        must_succeed("invlpg_all", hv_mmuext_op(&op, 1));
    }
}

/* ---- faults --------------------------------------------------------------------------------------------------------- */

static u64 faults;

static void count_fault(struct frame *frame) {
    faults++;
    frame->rip += 3; /* mov (%rax), %rax */
}

static void fault_and_return(u64 loops) {
    must_succeed("unmapping", hv_update_va_mapping((u64)PROBE, 0, UVMF_INVLPG));
    trap_set_handler(TRAP_PF, count_fault);
    faults = 0;
    for (u64 i = 0; i < loops; i++) {
        u64 address = (u64)PROBE;
        __asm__ volatile("mov (%%rax), %%rax" : "+a"(address) : : "memory");
    }
    trap_set_handler(TRAP_PF, NULL);
    expect("faults", loops, faults);
}

/* ---- grants, of this domain to itself ------------------------------------------------------------------------------- */

static u32 lent_ref(const void *page) {
    s64 ref = grant_access(domain_id(), page, false);
    must_succeed("grant_access", ref);
    return (u32)ref;
}

static void grant_map_unmap(u64 loops) {
    static u32 ref;
    if (ref == 0) {
        volatile u64 *lent = page_alloc();
        *lent = MARK_A;
        ref = lent_ref((const void *)lent);
    }
    struct gnttab_map_grant_ref map = {
        .host_addr = (u64)PROBE, .flags = GNTMAP_HOST_MAP, .ref = ref, .dom = domain_id()};
    struct gnttab_unmap_grant_ref unmap = {.host_addr = (u64)PROBE};
    must_succeed("unmapping", hv_update_va_mapping((u64)PROBE, 0, UVMF_INVLPG));
    u64 seen = 0;
    for (u64 i = 0; i < loops; i++) {
        hv_grant_table_op(GNTTABOP_MAP_GRANT_REF, &map, 1);
        if (i == 0 && map.status == 0) {
            seen = *PROBE;
        }
        unmap.handle = map.handle;
        hv_grant_table_op(GNTTABOP_UNMAP_GRANT_REF, &unmap, 1);
        if (map.status != 0 || unmap.status != 0) {
            panic("grant map %d, unmap %d", map.status, unmap.status);
        }
    }
    expect("the page that was lent", MARK_A, seen);
    expect("the grant in use", 0, grant_in_use(ref));
}

static void *copy_source, *copy_target;

static void have_copy_pages(void) {
    if (copy_source == NULL) {
        copy_source = page_alloc();
        copy_target = page_alloc();
    }
    u64 *words = copy_source;
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(u64); i++) {
        words[i] += i * 0x9e3779b97f4a7c15ul + 1;
    }
}

static void expect_copied(void) {
    if (memcmp(copy_source, copy_target, PAGE_SIZE) != 0) {
        panic("what was copied is not there");
    }
}

static void grant_copy(u64 loops) {
    static u32 ref;
    have_copy_pages();
    if (ref == 0) {
        ref = lent_ref(copy_source);
    }
    struct gnttab_copy copies[COPIES];
    for (unsigned i = 0; i < COPIES; i++) {
        copies[i] = (struct gnttab_copy){
            .source = ref,
            .source_dom = domain_id(),
            .dest = va_to_mfn(copy_target),
            .dest_dom = DOMID_SELF,
            .length = PAGE_SIZE,
            .flags = GNTCOPY_SOURCE_GREF,
        };
    }
    for (u64 done = 0; done < loops; done += COPIES) {
        must_succeed("grant copy", hv_grant_table_op(GNTTABOP_COPY, copies, COPIES));
        expect("a copy's status", 0, (u64)copies[COPIES - 1].status);
    }
    expect_copied();
}

static void plain_copy(u64 loops) {
    have_copy_pages();
    for (u64 i = 0; i < loops; i++) {
        u64 count = PAGE_SIZE / sizeof(u64);
        void *to = copy_target;
        const void *from = copy_source;
        __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    }
    expect_copied();
}

static void copy_page_call(u64 loops) {
    have_copy_pages();
    struct mmuext_op ops[COPIES];
    for (unsigned i = 0; i < COPIES; i++) {
        ops[i] = (struct mmuext_op){
            .cmd = MMUEXT_COPY_PAGE, .arg1 = va_to_mfn(copy_target), .arg2 = va_to_mfn(copy_source)};
    }
    for (u64 done = 0; done < loops; done += COPIES) {
        must_succeed("copy_page", hv_mmuext_op(ops, COPIES));
    }
    expect_copied();
}

/* ---- events --------------------------------------------------------------------------------------------------------- */

static u64 upcalls;

static void count_upcall(u32 port, void *argument) {
    (void)port;
    (void)argument;
    upcalls++;
}

/* A port of this domain that another of its own is bound to: what is sent here arrives there. */
static u32 loop_back(u32 *far_end) {
    s64 near = event_alloc_unbound(domain_id());
    must_succeed("alloc_unbound", near);
    s64 far = event_bind_interdomain(domain_id(), (u32)near);
    must_succeed("bind_interdomain", far);
    *far_end = (u32)far;
    return (u32)near;
}

/* Delivered: the upcall and the IRET back are part of it. */
static void event_and_upcall(u64 loops) {
    static u32 near, far;
    if (near == 0) {
        near = loop_back(&far);
        event_set_handler(far, count_upcall, NULL);
    }
    upcalls = 0;
    for (u64 i = 0; i < loops; i++) {
        event_send(near);
    }
    expect("upcalls", loops, upcalls);
}

/* To a port that is masked: the send alone. */
static void event_masked(u64 loops) {
    static u32 near, far;
    if (near == 0) {
        near = loop_back(&far);
    }
    for (u64 i = 0; i < loops; i++) {
        event_clear(far);
        event_send(near);
    }
    event_poll(far, 0); /* comes back because it is pending */
}

/* ---- memory that comes and goes ------------------------------------------------------------------------------------- */

static void balloon(u64 loops) {
    static u64 spare; /* a frame of ours that is mapped nowhere */
    if (spare == 0) {
        void *page = page_alloc();
        spare = va_to_mfn(page);
        must_succeed("unmapping", mm_set_pte(page, 0));
    }
    u64 frame = spare;
    for (u64 i = 0; i < loops; i++) {
        struct xen_memory_reservation reservation = {.extent_start = (u64)&frame, .nr_extents = 1, .domid = DOMID_SELF};
        expect("decrease_reservation", 1, (u64)hypercall2(HC_MEMORY_OP, XENMEM_DECREASE_RESERVATION, (u64)&reservation));
        expect("increase_reservation", 1, (u64)hypercall2(HC_MEMORY_OP, XENMEM_INCREASE_RESERVATION, (u64)&reservation));
    }
    spare = frame;
}

/* ---- the table ------------------------------------------------------------------------------------------------------ */

struct path {
    const char *name;
    void (*run)(u64 loops);
    u32 share; /* of the loops: how many times fewer a round makes */
    u64 ns_times_10[MOST_ROUNDS];
};

static struct path paths[] = {
    {.name = "empty", .run = empty, .share = 1},
    {.name = "mmu_update,0", .run = empty_batch, .share = 1},
    {.name = "mmu_update,1", .run = update_single, .share = 1},
    {.name = "mmu_update,16,an_entry", .run = update_16, .share = 1},
    {.name = "mmu_update,128,an_entry", .run = update_128, .share = 1},
    {.name = "update_va_mapping", .run = va_mapping_plain, .share = 1},
    {.name = "map,touch,unmap", .run = map_touch_unmap, .share = 1},
    {.name = "pin,unpin,an_entry", .run = pin_table, .share = 1},
    {.name = "writable_page_table", .run = writable_tables, .share = 4},
    {.name = "invlpg_all", .run = flush_one, .share = 1},
    {.name = "page_fault,iret", .run = fault_and_return, .share = 1},
    {.name = "grant_map,unmap", .run = grant_map_unmap, .share = 1},
    {.name = "grant_copy,a_page", .run = grant_copy, .share = 1},
    {.name = "copy_page,a_page", .run = copy_page_call, .share = 1},
    {.name = "rep_movs,a_page", .run = plain_copy, .share = 1},
    {.name = "event,masked", .run = event_masked, .share = 1},
    {.name = "event,upcall,iret", .run = event_and_upcall, .share = 1},
    {.name = "balloon,out,in", .run = balloon, .share = 1},
};

#define PATHS (sizeof paths / sizeof *paths)

static bool contains(const char *text, const char *part) {
    size_t length = strlen(part);
    for (; strlen(text) >= length; text++) {
        if (strncmp(text, part, length) == 0) {
            return true;
        }
    }
    return false;
}

static void run_round(struct path *path, u64 loops, unsigned round) {
    u64 count = loops / path->share;
    u64 begun = time_now();
    path->run(count);
    path->ns_times_10[round] = (time_now() - begun) * 10 / count;
}

static void sort(u64 *values, unsigned count) {
    for (unsigned i = 1; i < count; i++) {
        u64 value = values[i];
        unsigned at = i;
        for (; at > 0 && values[at - 1] > value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
}

/* Makes PROBE's pages: a table for all of a batch, on the first of which the others' paths work. */
static void map_probe(void) {
    volatile u64 *a = page_alloc(), *b = page_alloc();
    *a = MARK_A;
    *b = MARK_B;
    frame_a = va_to_mfn((const void *)a);
    frame_b = va_to_mfn((const void *)b);
    for (u64 i = 0; i < BATCH; i++) {
        must_succeed("mapping", mm_map((const char *)PROBE + i * PAGE_SIZE, pte_a()));
    }
}

void kernel_main(void) {
    u64 loops = cmdline_u64("loops", 20000);
    unsigned rounds = (unsigned)cmdline_u64("rounds", 9);
    char only[32];
    cmdline_string("only", only, sizeof only);
    if (rounds == 0 || rounds > MOST_ROUNDS || loops < 512) {
        panic("rounds=%u loops=%lu; rounds must be 1 to %u, loops 512 or more", rounds, loops, MOST_ROUNDS);
    }
    map_probe();
    for (unsigned round = 0; round <= rounds; round++) {
        for (unsigned i = 0; i < PATHS; i++) {
            if (i == 0 || contains(paths[i].name, only)) {
                run_round(&paths[i], loops, round == 0 ? 0 : round - 1); /* the first is a warm-up */
            }
        }
    }
    for (unsigned i = 0; i < PATHS; i++) {
        sort(paths[i].ns_times_10, rounds);
    }
    u64 base = paths[0].ns_times_10[rounds / 2];
    printf("membench: %u rounds of %lu\n", rounds, loops);
    for (unsigned i = 0; i < PATHS; i++) {
        if (i == 0 || contains(paths[i].name, only)) {
            u64 median = paths[i].ns_times_10[rounds / 2], least = paths[i].ns_times_10[0];
            u64 ratio = base == 0 ? 0 : median * 100 / base;
            printf("membench: %s  %lu.%lu ns  (least %lu.%lu)  %lu.%02lu x empty\n", paths[i].name, median / 10,
                   median % 10, least / 10, least % 10, ratio / 100, ratio % 100);
        }
    }
    printf("membench: done\n");
}
