/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments that another vCPU changes between the moment at which the hypervisor looks at them and that at which it uses them.
 * The others flip words between a value that is allowed and one that is not; whichever is read, it must be the one that was
 * checked.
 */
#include "console.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

#define LONG_ARRAY (PLAY + (2ul << 20)) /* 2 MiB of addresses that all show one page */
#define REF 80

/* Words that change, each 8 bytes. The arguments of all calls lie in these. */
static union {
    u64 words[64];
    struct mmu_update updates[4];
    struct mmuext_op ops[4];
    struct multicall_entry calls[2];
    struct xen_memory_reservation reservation;
    struct gnttab_copy copy;
    struct gnttab_map_grant_ref map;
    struct sched_poll poll;
} args;

#define MAX_FLIPS 4
static struct {
    u64 *volatile at;
    volatile u64 good, bad;
} flips[MAX_FLIPS];

static u64 wrong, done, refused;
static u64 *data, *table, *descriptors;
static u64 data_mfn, table_mfn, own_domain;

static void stay(u64 value, u64 *at) {
    WRITE_ONCE(*at, value);
    for (unsigned i = 0; i < 20; i++) {
        __asm__ volatile("pause" ::: "memory");
    }
}

static void flip(u32 cpu, u64 round) {
    (void)round;
    for (unsigned n = 0; n < 200; n++) {
        unsigned i = (cpu - 1 + n) % MAX_FLIPS;
        u64 *at = flips[i].at;
        if (at != NULL) {
            stay(flips[i].bad, at);
            stay(flips[i].good, at);
        }
    }
}

static void set_flip(unsigned i, u64 *at, u64 good, u64 bad) {
    flips[i].good = good;
    flips[i].bad = bad;
    flips[i].at = at;
    if (at != NULL) {
        WRITE_ONCE(*at, good);
    }
}

/* All words as they were, and nobody changes them. */
static void no_flips(void) {
    for (unsigned i = 0; i < MAX_FLIPS; i++) {
        flips[i].at = NULL;
    }
}

static void count(s64 result) {
    if (result >= 0) {
        done++;
    } else {
        refused++;
    }
}

static void never(bool seen) {
    wrong += seen;
}

static void fetch_twice(const char *name, void (*call)(void), u64 rounds) {
    wrong = done = refused = 0;
    job_start(flip);
    for (u64 round = 0; round < rounds || ((done == 0 || refused == 0) && round < 10 * rounds); round++) {
        call();
    }
    no_flips();
    job_stop();
    char line[100];
    snprintf(line, sizeof line, "changed under it: %s (%lu done, %lu refused)", name, done, refused);
    check(line, wrong == 0, (s64)wrong);
}

/* ---- page tables ------------------------------------------------------------------------------------------------------ */

static u64 forged(void) {
    return make_pte(foreign_frame(), PTE_KERNEL_RW);
}

static void look_at(const u64 *slot) {
    u64 entry = READ_ONCE(*slot);
    never((entry & PTE_P) && (entry & PTE_FRAME_MASK) >> PAGE_SHIFT != data_mfn);
}

static void values(void) {
    count(hv_mmu_update(args.updates, 1));
    look_at(&table[7]);
    update_entry(slot_machine_address(&table[7]), 0);
}

static void targets(void) {
    count(hv_mmu_update(args.updates, 1)); /* the stranger looks himself whether it was his frame */
    look_at(&table[7]);
}

static void operations(void) {
    count(hv_mmuext_op(args.ops, 1));
    look_at(&table[7]);
    never(READ_ONCE(table[7]) == 0); /* cleared, or copied to, as a page that it is not */
}

static void page_tables(u64 rounds) {
    args.updates[0].ptr = slot_machine_address(&table[7]);
    set_flip(0, &args.updates[0].val, make_pte(data_mfn, PTE_KERNEL_RO), forged());
    fetch_twice("the value of an update", values, rounds);
    args.updates[0].val = make_pte(data_mfn, PTE_KERNEL_RO);
    set_flip(0, &args.updates[0].ptr, slot_machine_address(&table[7]), foreign_frame() << PAGE_SHIFT);
    fetch_twice("where an update goes", targets, rounds);
    set_flip(0, &args.updates[0].ptr, slot_machine_address(&table[7]), slot_machine_address(&play_table[4][256]));
    fetch_twice("which table an update goes to", targets, rounds);
    memset(&args, 0, sizeof args);
    must_succeed("an entry", update_entry(slot_machine_address(&table[7]), make_pte(data_mfn, PTE_KERNEL_RO)));
    args.ops[0].arg2 = data_mfn;
    set_flip(0, args.words, MMUEXT_CLEAR_PAGE, MMUEXT_COPY_PAGE);
    set_flip(1, &args.ops[0].arg1, data_mfn, table_mfn);
    set_flip(2, &args.ops[0].arg1, data_mfn, foreign_frame());
    fetch_twice("the command and frame of an mmuext_op", operations, rounds);
    memset(&args, 0, sizeof args);
}

/* ---- memory -------------------------------------------------------------------------------------------------------------- */

static u64 moving_pfn, list[2];

static void give_and_take(void) {
    if (reservation(XENMEM_DECREASE_RESERVATION, list, 1, 0) == 1) { /* it can only have been ours */
        done++;
        u64 pfn = moving_pfn;
        must_succeed("a page", reservation(XENMEM_POPULATE_PHYSMAP, &pfn, 1, 0) - 1);
        set_mfn_of_pfn(moving_pfn, pfn);
        flips[0].good = pfn;
    } else {
        refused++;
    }
}

static void ask_for_memory(void) {
    never(hypercall2(HC_MEMORY_OP, XENMEM_POPULATE_PHYSMAP, (u64)&args.reservation) > 0); /* it has all that it may have */
    refused++;
    done++; /* a count of 0 says nothing about why */
}

static void memory(u64 rounds) {
    moving_pfn = spare_pfn();
    set_flip(0, list, mfn_of_pfn(moving_pfn), foreign_frame());
    fetch_twice("the frame that is given back", give_and_take, rounds);
    args.reservation = (struct xen_memory_reservation){.domid = DOMID_SELF};
    list[1] = start_info->nr_pages / 2;
    set_flip(0, &args.words[0], (u64)&list[1], HYPERVISOR_VIRT_START);
    set_flip(1, &args.words[1], 1, 1ul << 61);
    set_flip(2, &args.words[2], 0, 63);
    set_flip(3, &args.words[3], DOMID_SELF, 0);
    fetch_twice("a reservation", ask_for_memory, rounds);
    memset(&args, 0, sizeof args);
}

/* ---- grants ---------------------------------------------------------------------------------------------------------------- */

static void copy(void) {
    hv_grant_table_op(GNTTABOP_COPY, &args.copy, 1);
    count(args.copy.status);
    look_at(&table[7]);
    never(READ_ONCE(table[8]) != 0 || READ_ONCE(data[511]) != 0x51);
}

static void map(void) {
    hv_grant_table_op(GNTTABOP_MAP_GRANT_REF, &args.map, 1);
    s16 status = args.map.status;
    u32 handle = args.map.handle;
    count(status);
    if (status >= 0) {
        u64 entry = READ_ONCE(table[9]);
        bool here = (entry & PTE_P) && (entry & PTE_FRAME_MASK) >> PAGE_SHIFT == data_mfn;
        never(grant_unmap_at(slot_machine_address(&table[here ? 9 : 10]), 0, handle) < 0);
    }
    look_at(&table[9]);
    look_at(&table[10]);
}

static void map_entry(void) {
    u64 slot = slot_machine_address(&table[9]);
    u32 handle;
    s64 result = grant_map_at((u16)own_domain, REF, slot, GNTMAP_HOST_MAP | GNTMAP_CONTAINS_PTE, &handle);
    count(result);
    look_at(&table[9]);
    if (result >= 0) {
        never(grant_unmap_at(slot, 0, handle) < 0);
    }
}

static void grants(u64 rounds) {
    update_entry(slot_machine_address(&table[8]), 0);
    data[511] = 0x51;
    args.copy = (struct gnttab_copy){.source_dom = DOMID_SELF, .dest_dom = DOMID_SELF, .length = 64};
    set_flip(0, &args.copy.source, data_mfn, foreign_frame());
    set_flip(1, &args.copy.dest, data_mfn, table_mfn);
    set_flip(2, (u64 *)&args.copy.dest_dom, DOMID_SELF | 1024ul << 16, DOMID_SELF | 4090ul << 16);
    set_flip(3, (u64 *)&args.copy.source_dom, DOMID_SELF, 4000ul << 16);
    fetch_twice("a grant copy", copy, rounds);
    memset(&args, 0, sizeof args);

    grant_set(REF, GTF_PERMIT_ACCESS, (u16)own_domain, data_mfn);
    args.map = (struct gnttab_map_grant_ref){.dom = (u16)own_domain};
    set_flip(0, &args.map.host_addr, slot_machine_address(&table[9]), slot_machine_address(&table[10]));
    set_flip(1, &args.words[1], GNTMAP_HOST_MAP | GNTMAP_CONTAINS_PTE | (u64)REF << 32,
             GNTMAP_HOST_MAP | GNTMAP_CONTAINS_PTE | (u64)(REF + 400) << 32);
    fetch_twice("where a grant is mapped", map, rounds);
    memset(&args, 0, sizeof args);

    u64 good = GTF_PERMIT_ACCESS | own_domain << 16 | data_mfn << 32;
    set_flip(0, (u64 *)&own_grants[REF], good, GTF_PERMIT_ACCESS | own_domain << 16 | foreign_frame() << 32);
    set_flip(1, (u64 *)&own_grants[REF], good, GTF_PERMIT_ACCESS | own_domain << 16 | table_mfn << 32);
    set_flip(2, (u64 *)&own_grants[REF], good, GTF_PERMIT_ACCESS | 12345ul << 16 | data_mfn << 32);
    fetch_twice("the grant entry", map_entry, rounds);
    grant_set(REF, 0, 0, 0);
}

/* ---- everything else ------------------------------------------------------------------------------------------------------- */

static void gdt(void) {
    s64 result = hv_set_gdt(list, 512);
    count(result);
    if (result >= 0) {
        never(map_writable(descriptors) == 0); /* it is what was set, and it is in use */
        must_succeed("no GDT", hv_set_gdt(NULL, 0));
    }
}

static void calls(void) {
    hypercall2(HC_MULTICALL, (u64)args.calls, 1);
    count(args.calls[0].result);
    look_at(&table[7]);
}

static void ports(void) {
    static u32 port = 1;
    args.poll.timeout = 1;
    WRITE_ONCE(args.poll.ports, &port);
    count(hv_sched_op(SCHEDOP_POLL, &args.poll));
}

static void others(u64 rounds) {
    set_flip(0, list, va_to_mfn(descriptors), foreign_frame());
    set_flip(1, list, va_to_mfn(descriptors), table_mfn);
    fetch_twice("the frame of a GDT", gdt, rounds);

    static struct mmu_update bad;
    bad = (struct mmu_update){slot_machine_address(&table[7]), forged()};
    args.calls[0] = (struct multicall_entry){.op = HC_XEN_VERSION, .args = {0, 0, 0, DOMID_SELF}};
    set_flip(0, &args.calls[0].op, HC_XEN_VERSION, HC_MMU_UPDATE);
    set_flip(1, &args.calls[0].args[0], 0, (u64)&bad);
    set_flip(2, &args.calls[0].args[1], 0, 1);
    fetch_twice("a call in a multicall", calls, rounds);
    memset(&args, 0, sizeof args);

    set_flip(0, &args.words[0], (u64)list, HYPERVISOR_VIRT_START);
    set_flip(1, &args.words[1], 1, ~0u);
    fetch_twice("the ports of a poll", ports, rounds);
    memset(&args, 0, sizeof args);
}

/* ---- calls that are continued ------------------------------------------------------------------------------------------------ */

#define LONG_UPDATES ((2ul << 20) / sizeof(struct mmu_update))
static u64 done_so_far;

static void long_batch(void) {
    done++;
    refused += hypercall4(HC_MMU_UPDATE, LONG_ARRAY, LONG_UPDATES, (u64)&done_so_far, DOMID_SELF) < 0;
    look_at(&table[7]);
}

static void long_multicall(void) {
    done++;
    refused += hypercall2(HC_MULTICALL, (u64)args.calls, 1) < 0 || args.calls[0].result < 0;
    look_at(&table[7]);
}

/* Its array is one page, seen again and again: what is changed in it counts for all that is still to come. */
static void continuations(u64 rounds) {
    u64 *array = page_alloc(), *l1 = page_alloc();
    for (unsigned i = 0; i < 512; i++) {
        l1[i] = make_pte(va_to_mfn(array), PTE_KERNEL_RO);
        array[i] = i % 2 ? 0 : slot_machine_address(&table[7]);
    }
    mm_make_read_only(l1);
    u64 slot = slot_machine_address(&play_table[2][1]);
    must_succeed("the array", update_entry(slot, make_pte(va_to_mfn(l1), PTE_TABLE)));
    set_flip(0, &array[1], make_pte(data_mfn, PTE_KERNEL_RO), 0);
    set_flip(1, &array[3], 0, make_pte(data_mfn, PTE_KERNEL_RW));
    set_flip(2, &done_so_far, 0, ~0ul);
    fetch_twice("a batch that is continued", long_batch, rounds);
    set_flip(0, &array[1], 0, forged());
    set_flip(1, &array[2], slot_machine_address(&table[7]), foreign_frame() << PAGE_SHIFT);
    fetch_twice("a batch that is continued, by forgeries", long_batch, rounds);
    array[1] = array[3] = 0;
    array[2] = slot_machine_address(&table[7]);
    args.calls[0] = (struct multicall_entry){.op = HC_MMU_UPDATE, .args = {LONG_ARRAY, LONG_UPDATES, 0, DOMID_SELF}};
    set_flip(0, &args.calls[0].args[1], LONG_UPDATES, ~0ul);
    set_flip(1, &args.calls[0].args[0], LONG_ARRAY, HYPERVISOR_VIRT_START);
    set_flip(2, &args.calls[0].op, HC_MMU_UPDATE, HC_XEN_VERSION);
    set_flip(3, &args.calls[0].args[3], DOMID_SELF, 0);
    fetch_twice("a multicall that is continued", long_multicall, rounds);
    memset(&args, 0, sizeof args);
    must_succeed("no array", update_entry(slot, 0));
    table_page_free(l1);
    page_free(array);
}

void attack_double_fetches(u64 rounds) {
    own_domain = domain_id();
    table = table_page();
    table_mfn = va_to_mfn(table);
    must_succeed("a table", pin(1, table_mfn));
    data = page_alloc();
    data_mfn = va_to_mfn(data);
    descriptors = table_page();
    rounds *= 10; /* a call is soon made */
    page_tables(rounds);
    memory(rounds);
    grants(rounds);
    others(rounds);
    continuations(rounds / 500 + 1);
    update_entry(slot_machine_address(&table[7]), 0);
    must_succeed("unpinning", unpin(table_mfn));
    table_page_free(table);
    table_page_free(descriptors);
    page_free(data);
}
