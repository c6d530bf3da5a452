/* SPDX-License-Identifier: Apache-2.0 */
/* Lengths: counts that overflow, arrays that run off the end of memory, and batches that stop in the middle. */
#include "console.h"
#include "events.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

static const u64 counts[] = {1ul << 31, (1ul << 31) - 1, (1ul << 31) + 1, 1ul << 32, (1ul << 32) + 1, ~0ul, 1ul << 63, 0xffffffff};

/* A call that answers at all, and soon. */
static void comes_back(const char *name, u64 number, u64 a1, u64 a2, u64 a3, u64 a4) {
    u64 start = time_now();
    hypercall_any(number, a1, a2, a3, a4, 0);
    u64 took = time_now() - start;
    if (took > 5 * NS_PER_S) {
        check(name, false, (s64)took);
    }
}

/* Eight elements at the end of a page, behind which nothing is mapped: what would come next is not ours to execute. */
static void *eight_at_the_end(const void *element, size_t size) {
    char *to = (char *)PLAY + PAGE_SIZE - 8 * size;
    for (unsigned i = 0; i < 8; i++) {
        memcpy(to + i * size, element, size);
    }
    return to;
}

static void absurd_counts(void) {
    must_succeed("a page", hv_update_va_mapping(PLAY, make_pte(mfn_of_pfn(start_info->nr_pages / 2), PTE_KERNEL_RW), UVMF_INVLPG));
    struct mmu_update update = {slot_machine_address(&play_table[1][20]), 0};
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    struct multicall_entry call = {.op = HC_XEN_VERSION};
    struct gnttab_copy copy = {.length = 1};
    u64 frame = va_to_mfn(play_table[1]);
    u32 done = 0, port = 4000;
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        u64 n = counts[i];
        comes_back("mmu_update of so many", HC_MMU_UPDATE, (u64)eight_at_the_end(&update, sizeof update), n, (u64)&done, DOMID_SELF);
        comes_back("mmuext_op of so many", HC_MMUEXT_OP, (u64)eight_at_the_end(&op, sizeof op), n, (u64)&done, DOMID_SELF);
        comes_back("multicall of so many", HC_MULTICALL, (u64)eight_at_the_end(&call, sizeof call), n, 0, 0);
        comes_back("set_gdt of so many", HC_SET_GDT, (u64)eight_at_the_end(&frame, sizeof frame), n, 0, 0);
        comes_back("console_io of so many", HC_CONSOLE_IO, 0, n, (u64)eight_at_the_end(&frame, sizeof frame), 0);
        for (u64 cmd = 0; cmd <= 12; cmd++) {
            comes_back("grant_table_op of so many", HC_GRANT_TABLE_OP, cmd, (u64)eight_at_the_end(&copy, sizeof copy), n, 0);
            comes_back("grant_table_op of so many, nowhere", HC_GRANT_TABLE_OP, cmd, ~0ul - 63, n, 0);
        }
        comes_back("mmu_update round the end", HC_MMU_UPDATE, ~0ul - 15, n, 0, DOMID_SELF);
        comes_back("mmuext_op round the end", HC_MMUEXT_OP, ~0ul - 23, n, 0, DOMID_SELF);
        comes_back("multicall round the end", HC_MULTICALL, ~0ul - 63, n, 0, 0);
        comes_back("mmu_update into the gap", HC_MMU_UPDATE, 0x0000800000000000 - 16, n, 0, DOMID_SELF);

        struct sched_poll poll = {.ports = eight_at_the_end(&port, sizeof port), .nr_ports = (u32)n, .timeout = 1};
        comes_back("poll of so many", HC_SCHED_OP, SCHEDOP_POLL, (u64)&poll, 0, 0);
        struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = (u32)n, .frame_list = (u64 *)PLAY};
        if ((u32)n > 64) {
            hv_grant_table_op(GNTTABOP_SETUP_TABLE, &setup, 1);
            check("setup_table of so many", setup.status < 0, setup.status);
        }
    }
    must_succeed("no GDT", hv_set_gdt(NULL, 0));
    must_succeed("no page", hv_update_va_mapping(PLAY, 0, UVMF_INVLPG));
    check("absurd counts come back", true, 0);
}

static void reservations(void) {
    static u64 list[8];
    memset(list, 0xff, sizeof list);
    static const u64 extents[] = {1ul << 63, 1ul << 61, (1ul << 61) + 1, 1ul << 60, ~0ul, 1ul << 32, 1ul << 57, 1ul << 58};
    static const u32 orders[] = {0, 9, 18, 20, 31, 32, 52, 63, 64, 1u << 31, ~0u};
    static const u32 commands[] = {XENMEM_INCREASE_RESERVATION, XENMEM_DECREASE_RESERVATION, XENMEM_POPULATE_PHYSMAP};
    s64 most = 0;
    for (size_t c = 0; c < ARRAY_LENGTH(commands); c++) {
        for (size_t e = 0; e < ARRAY_LENGTH(extents); e++) {
            for (size_t o = 0; o < ARRAY_LENGTH(orders); o++) {
                s64 result = reservation(commands[c], list, extents[e], orders[o]);
                most = result > most ? result : most;
                /* So far already, says the upper part of the command. */
                result = reservation(commands[c] | 1ul << 31, list, extents[e], orders[o]);
                hypercall2(HC_MEMORY_OP, ~0ul << 6 | commands[c], (u64)list);
            }
        }
    }
    check("reservations of absurd sizes", most == 0, most);
    check_result("memory_op commands that do not exist", -ENOSYS, hypercall2(HC_MEMORY_OP, 63, (u64)list));
}

/* Two good requests at the end of a page, the third not there; then a bad one in the middle. */
static void partial_batches(void) {
    struct mmu_update *in_page = (struct mmu_update *)(PLAY + PAGE_SIZE) - 2;
    must_succeed("a page", hv_update_va_mapping(PLAY, make_pte(mfn_of_pfn(start_info->nr_pages / 2), PTE_KERNEL_RW), UVMF_INVLPG));
    for (unsigned i = 0; i < 2; i++) {
        in_page[i] = (struct mmu_update){slot_machine_address(&play_table[1][20 + i]), 0x1000 * (i + 1)}; /* P = 0: anything goes */
    }
    u32 done = 77;
    check_result("a batch that runs off its page", -EFAULT, hypercall4(HC_MMU_UPDATE, (u64)in_page, 3, (u64)&done, DOMID_SELF));
    u64 stored = (u64)(play_table[1][20] == 0x1000) + (play_table[1][21] == 0x2000);
    check("says how many it did", done == 77 + stored || done == stored, done);

    struct mmu_update batch[] = {
        {slot_machine_address(&play_table[1][20]), 0x3000},
        {slot_machine_address(&play_table[1][21]), make_pte(foreign_frame(), PTE_KERNEL_RW)},
        {slot_machine_address(&play_table[1][22]), 0x5000},
    };
    done = 0;
    check_refused("a batch with a bad one in the middle", hypercall4(HC_MMU_UPDATE, (u64)batch, 3, (u64)&done, DOMID_SELF));
    check_result("did the first", 1, done);
    check("and not the others", play_table[1][20] == 0x3000 && play_table[1][22] == 0, 0);

    /* The count of those done lies in a page that the batch unmaps: it is done, and its count stored nowhere. */
    struct mmu_update own[] = {{slot_machine_address(&play_table[1][0]), 0}};
    check_result("a batch that unmaps its own count", 0, hypercall4(HC_MMU_UPDATE, (u64)own, 1, PLAY, DOMID_SELF));
    for (unsigned i = 20; i < 23; i++) {
        update_entry(slot_machine_address(&play_table[1][i]), 0);
    }
    must_succeed("no page", hv_update_va_mapping(PLAY, 0, UVMF_INVLPG));
}

static void multicalls(void) {
    struct multicall_entry inner = {.op = HC_XEN_VERSION};
    struct multicall_entry calls[] = {
        {.op = HC_MULTICALL, .args = {(u64)&inner, 1}},
        {.op = ~0ul},
        {.op = 1ul << 32 | HC_XEN_VERSION},
        {.op = HC_XEN_VERSION, .args = {0}},
    };
    check_result("a multicall", 0, hypercall2(HC_MULTICALL, (u64)calls, ARRAY_LENGTH(calls)));
    check_result("in a multicall is refused", -EINVAL, calls[0].result);
    check_refused("a number that does not exist is refused in one", calls[1].result);
    check("and the last is still done", calls[3].result > 0, calls[3].result);
}

static volatile u64 fired_at;

static void note_time(u32 port, void *unused) {
    (void)port;
    (void)unused;
    fired_at = time_now();
}

#define TREE_TABLES 512
#define TREE_REQUESTS 250

/* A batch of few requests, each of which is long: a tree of 512 leaf tables in use and out of it, again and again. */
static u64 make_tree(u64 *l2, const u64 *data) {
    for (unsigned t = 0; t < TREE_TABLES; t++) {
        u64 mfn = mfn_of_pfn(spare_pfn());
        must_succeed("a leaf table", hv_update_va_mapping(PLAY, make_pte(mfn, PTE_KERNEL_RW), UVMF_INVLPG));
        for (unsigned i = 0; i < 512; i++) {
            ((u64 *)PLAY)[i] = make_pte(va_to_mfn(data), PTE_KERNEL_RO);
        }
        l2[t] = make_pte(mfn, PTE_TABLE);
    }
    must_succeed("no leaf table", hv_update_va_mapping(PLAY, 0, UVMF_INVLPG));
    return mm_make_read_only(l2);
}

#define LONG_CALL_ELEMENTS (1ul << 23)
#define TIMER_NS (20 * NS_PER_MS)
#define LATEST_NS (1 * NS_PER_S)

/* How late a timer event is that comes due while the call runs: nobody may keep a processor for as long as he likes. */
static void long_call(const char *name, u64 number, u64 a1, u64 a2, u64 a3) {
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = time_now() + TIMER_NS};
    fired_at = 0;
    must_succeed("a timer", hv_vcpu_op(VCPUOP_SET_SINGLESHOT_TIMER, 0, &timer));
    hypercall_any(number, a1, a2, a3, DOMID_SELF, 0);
    while (fired_at == 0) {
        hv_sched_op(SCHEDOP_YIELD, NULL);
    }
    check(name, fired_at < timer.timeout_abs_ns + LATEST_NS, (s64)(fired_at - timer.timeout_abs_ns));
}

/* Arrays of millions of elements need no memory: a gigabyte of addresses, and one page behind all of them. */
static void long_calls(void) {
    u64 *data = page_alloc(), *l1 = page_alloc(), *l2 = page_alloc();
    for (unsigned i = 0; i < 512; i++) {
        l1[i] = make_pte(va_to_mfn(data), PTE_KERNEL_RW);
    }
    mm_make_read_only(l1);
    for (unsigned i = 0; i < 512; i++) {
        l2[i] = make_pte(va_to_mfn(l1), PTE_TABLE);
    }
    mm_make_read_only(l2);
    u64 slot = slot_machine_address(&play_table[3][40]);
    must_succeed("a gigabyte of one page", update_entry(slot, make_pte(va_to_mfn(l2), PTE_TABLE)));
    u64 va = (PLAY & ~((1ul << 39) - 1)) + (40ul << 30);
    s64 port = event_bind_virq(VIRQ_TIMER);
    must_succeed("bind_virq", port);
    must_succeed("no periodic timer", hv_vcpu_op(VCPUOP_STOP_PERIODIC_TIMER, 0, NULL));
    event_set_handler((u32)port, note_time, NULL);

    /* Each element is all zeros: an update of frame 0, a swap of grant 0 with itself, a pin of frame 0. */
    long_call("millions of grants let others in", HC_GRANT_TABLE_OP, GNTTABOP_SWAP_GRANT_REF, va, LONG_CALL_ELEMENTS);
    struct multicall_entry grants = {.op = HC_GRANT_TABLE_OP, .args = {GNTTABOP_SWAP_GRANT_REF, va, LONG_CALL_ELEMENTS}};
    long_call("millions of grants in a multicall let others in", HC_MULTICALL, (u64)&grants, 1, 0);
    for (unsigned i = 0; i < 512; i += 8) {
        data[i] = HC_XEN_VERSION;
    }
    long_call("millions of calls in a multicall let others in", HC_MULTICALL, va, LONG_CALL_ELEMENTS / 4, 0);
    memset(data, 0, PAGE_SIZE);
    for (unsigned i = 0; i < 512; i += 2) {
        data[i] = slot_machine_address(&play_table[1][20]);
    }
    long_call("millions of page-table updates let others in", HC_MMU_UPDATE, va, LONG_CALL_ELEMENTS / 4, 0);
    struct multicall_entry updates = {.op = HC_MMU_UPDATE, .args = {va, LONG_CALL_ELEMENTS / 4, 0, DOMID_SELF}};
    long_call("millions of page-table updates in a multicall let others in", HC_MULTICALL, (u64)&updates, 1, 0);

    u64 *top = page_alloc();
    u64 tree = make_tree(top, data);
    static struct mmuext_op ops[TREE_REQUESTS];
    for (unsigned i = 0; i < TREE_REQUESTS; i++) {
        ops[i] = (struct mmuext_op){.cmd = i % 2 ? MMUEXT_UNPIN_TABLE : MMUEXT_PIN_L1_TABLE + 1, .arg1 = tree};
    }
    long_call("trees pinned and unpinned in one batch let others in", HC_MMUEXT_OP, (u64)ops, TREE_REQUESTS, 0);
    static struct mmu_update links[TREE_REQUESTS];
    for (unsigned i = 0; i < TREE_REQUESTS; i++) {
        links[i] = (struct mmu_update){slot_machine_address(&play_table[3][41]), i % 2 ? 0 : make_pte(tree, PTE_TABLE)};
    }
    long_call("trees hung up and taken down in one batch let others in", HC_MMU_UPDATE, (u64)links, TREE_REQUESTS, 0);
    table_page_free(top);

    event_close((u32)port);
    must_succeed("no gigabyte", update_entry(slot, 0));
    table_page_free(l2);
    table_page_free(l1);
    page_free(data);
}

void attack_counts(void) {
    absurd_counts();
    reservations();
    partial_batches();
    multicalls();
    long_calls();
}
