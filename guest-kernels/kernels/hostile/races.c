/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Races with the domain's other vCPUs. vCPU 0, the leader, takes a page from one use to the next; meanwhile the others do to it
 * what was right in the use before. Results depend on who comes first and are not checked; what must never be seen is:
 *
 *   - in a table that a call has just accepted: an entry that maps a stranger's frame, or a table writable;
 *   - in a page that is no table any more, filled with a pattern that looks like entries: any change, be it an entry that
 *     was stored late or an accessed bit that a late walk has set;
 *   - in a page after its mapping was taken away by a call that has returned: a write through that mapping.
 *
 * The domain that is the stranger looks at its memory itself, and the frame table is scanned afterwards.
 */
#include "console.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

#define WINDOW ((u64 *)(PLAY + 200 * PAGE_SIZE)) /* the victim, writable at times */
#define ALIAS ((u64 *)(PLAY + 201 * PAGE_SIZE))  /* the victim, read-only */
#define FRESH ((u64 *)(PLAY + 202 * PAGE_SIZE))  /* a frame that has just come */
#define TREE ((u64)PLAY + (2ul << 20)) /* what the victim maps as a level-1 table */
#define FIRST_REF 64

/* A page that is now this and now that. Its own mapping is read-only when nothing else is said. */
static u64 *victim, victim_mfn;

/* What well-behaved entries map. */
static u64 *data, data_mfn;

static u64 tree_slot, spare;
static u16 own_domain;
static u64 forged[3];

/* What must not be, and how often the calls that race were carried out and refused. */
static u64 wrong, done, refused;

static void never(bool seen) {
    if (seen) {
        __atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
    }
}

static bool count(s64 result) {
    __atomic_fetch_add(result >= 0 ? &done : &refused, 1, __ATOMIC_SEQ_CST);
    return result >= 0;
}

static u64 slot_of(const u64 *table, u64 index) {
    return slot_machine_address(&table[index]);
}

static s64 map_at(const volatile void *va, u64 pte) {
    return hv_update_va_mapping((u64)va, pte, UVMF_NONE);
}

/* Gives the others time: none, some, or, if the leader asks, enough to do what they do. */
static void linger(u64 round) {
    if (round % 4 == 3 && cpu_self() == 0) {
        job_proceed();
    }
    for (u64 i = 0; i < round % 4 * 100; i++) {
        __asm__ volatile("pause" ::: "memory");
    }
}

/* A race in which always the same one comes first is none: it goes on for longer then. */
static bool is_one_sided(void) {
    return READ_ONCE(done) == 0 || READ_ONCE(refused) == 0;
}

static void race(const char *name, job others, void (*lead)(u64 round), u64 rounds) {
    wrong = done = refused = 0;
    job_start(others);
    for (u64 round = 1; round <= rounds || (is_one_sided() && round <= 20 * rounds); round++) {
        lead(round);
    }
    job_stop();
    char line[100];
    snprintf(line, sizeof line, "%s (%lu done, %lu refused)", name, done, refused);
    check(line, wrong == 0, (s64)wrong);
}

static void clear_victim(void) {
    must_succeed("writable", map_writable(victim));
    memset(victim, 0, PAGE_SIZE);
    must_succeed("read-only", map_read_only(victim));
}

/* ---- a page that others write to becomes a table ------------------------------------------------------------------ */

static void look_for_forgeries(void) {
    for (unsigned i = 0; i < 512; i++) {
        u64 entry = READ_ONCE(victim[i]);
        bool reserved = i >= 256 && i <= 271; /* of a level-4 table: the hypervisor's */
        never(!reserved && (entry & PTE_P) && (entry & PTE_FRAME_MASK) >> PAGE_SHIFT != data_mfn);
    }
}

static void pin_and_look(unsigned level, u64 round) {
    if (count(pin(level, victim_mfn))) {
        look_for_forgeries();
        linger(round);
        look_for_forgeries();
        must_succeed("unpinning", unpin(victim_mfn));
    }
}

/* Index for this vCPU and round; above the slots that a level-4 table keeps for the hypervisor. */
static u64 index_of(u32 cpu, u64 round) {
    return 280 + cpu * 16 + round % 16;
}

static void store_forgeries(u32 cpu, u64 round) {
    u64 *at = &WINDOW[index_of(cpu, round)];
    probe_write(at, forged[round % 3]);
    probe_write(at, 0);
    linger(round % 3);
}

static void withdraw_and_pin(u64 round) {
    must_succeed("the window", map_at(WINDOW, make_pte(victim_mfn, PTE_KERNEL_RW)));
    linger(round);
    memset((void *)(WINDOW + 256), 0, 16 * 8); /* what a level-4 table got there would be refused in others */
    switch (round % 3) {
    case 0:
        must_succeed("no window", map_at(WINDOW, 0));
        break;
    case 1:
        must_succeed("a read-only window", map_at(WINDOW, make_pte(victim_mfn, PTE_KERNEL_RO)));
        break;
    default:
        must_succeed("no window", update_entry(slot_machine_address(mm_slot(WINDOW)), 0));
    }
    pin_and_look(1 + round % 4, round);
}

static void update_forgeries(u32 cpu, u64 round) {
    u64 slot = slot_of(victim, index_of(cpu, round));
    count(update_entry(slot, round % 4 == 3 ? make_pte(data_mfn, PTE_KERNEL_RO) : forged[round % 4]));
    struct mmu_update batch[] = {{slot, make_pte(data_mfn, PTE_KERNEL_RO)}, {slot, forged[round % 3]}, {slot, 0}};
    hv_mmu_update(batch, 3);
    update_entry(slot, 0);
}

static void scribble_and_pin(u64 round) {
    if (round % 4 == 0 && map_writable(victim) == 0) {
        memset(victim, 0, PAGE_SIZE);
        must_succeed("read-only", map_read_only(victim));
    }
    pin_and_look(round % 4 ? 1 : 1 + round / 4 % 4, round);
}

static void fill_whole_pages(u32 cpu, u64 round) {
    (void)cpu;
    count(round % 2 ? mmuext(MMUEXT_CLEAR_PAGE, victim_mfn, 0) : mmuext(MMUEXT_COPY_PAGE, victim_mfn, spare));
    linger(round);
}

/* A source of forgeries that can be copied from, but is never a table. */
static void prepare_copies(void) {
    must_succeed("a view", map_at(FRESH, make_pte(spare, PTE_KERNEL_RW)));
    for (unsigned i = 0; i < 512; i++) {
        FRESH[i] = forged[i % 3];
    }
    must_succeed("no view", map_at(FRESH, 0));
}

/* ---- a table that others use and change ceases to be one ------------------------------------------------------------ */

static u64 pattern(unsigned i) {
    return make_pte(foreign_frame(), i % 2 ? PTE_P | PTE_RW : PTE_P);
}

static void fill_with_leaves(void) {
    for (unsigned i = 0; i < 512; i++) {
        victim[i] = make_pte(data_mfn, i % 2 ? PTE_P | PTE_RW : PTE_P);
    }
}

/* The victim is a table of the tree, and then is not, and then holds a pattern. */
static void hook_and_unhook(u64 round) {
    must_succeed("hooking up", update_entry(tree_slot, make_pte(victim_mfn, PTE_TABLE)));
    linger(round);
    if (round % 2) {
        must_succeed("unhooking", update_entry(tree_slot, 0));
    } else {
        struct mmu_update batch[] = {{tree_slot, 0}, {slot_of(play_table[1], 300), 0}};
        must_succeed("unhooking in a batch", hv_mmu_update(batch, 2));
    }
    s64 result = map_writable(victim);
    never(result < 0);
    if (result < 0) {
        return;
    }
    for (unsigned i = 0; i < 512; i++) {
        victim[i] = pattern(i);
    }
    linger(round);
    for (unsigned i = 0; i < 512; i++) {
        never(READ_ONCE(victim[i]) != pattern(i));
    }
    fill_with_leaves();
    must_succeed("read-only", map_read_only(victim));
}

static u64 tree_address(u32 cpu, u64 round) {
    return TREE + (cpu * 16 + round % 16) * PAGE_SIZE;
}

static void use_tree(u32 cpu, u64 round) {
    u64 va = tree_address(cpu, round);
    count(probe_write((void *)(va + PAGE_SIZE), 0xbadbadbad) == 0 ? 0 : -1);
    probe_read((void *)va);
}

static void update_tree(u32 cpu, u64 round) {
    u64 va = tree_address(cpu, round);
    static const u64 flags[] = {UVMF_NONE, UVMF_INVLPG, UVMF_TLB_FLUSH | UVMF_ALL};
    count(hv_update_va_mapping(va, round % 4 ? make_pte(data_mfn, PTE_KERNEL_RW) : 0, flags[round % 3]));
    never(hv_update_va_mapping(va, forged[round % 3], flags[round % 3]) >= 0);
    if (round % 8 == 0) {
        probe_write((void *)va, 0xbadbadbad);
    }
}

/* By stores that the hypervisor carries out; the alias is never writable. */
static void store_into_tree(u32 cpu, u64 round) {
    u64 *at = &ALIAS[cpu * 16 + round % 16], was = probe_read(at);
    switch (round % 4) {
    case 0:
        count(probe_write(at, make_pte(data_mfn, PTE_KERNEL_RW)) == 0 ? 0 : -1);
        break;
    case 1:
        probe_write(at, forged[round % 3]);
        break;
    case 2:
        probe_exchange(at, make_pte(data_mfn, PTE_KERNEL_RO), was);
        break;
    default:
        probe_write_half(at, (u32)make_pte(data_mfn, PTE_KERNEL_RO));
    }
    probe_read((void *)tree_address(cpu, round));
}

/* Each mapping that is lost with the table stays in the domain's list of mappings, so there are not too many of them. */
static void grant_into_tree(u32 cpu, u64 round) {
    static u64 lost;
    u32 handle;
    u64 va = tree_address(cpu, round), host = round % 2 ? va : slot_of(victim, cpu * 16 + round % 16);
    if (READ_ONCE(lost) > 500) {
        return;
    }
    if (count(grant_map_at(own_domain, FIRST_REF + cpu, host, GNTMAP_HOST_MAP | (round % 2 ? 0 : GNTMAP_CONTAINS_PTE), &handle))) {
        probe_write((void *)va, 0xbadbadbad);
        if (grant_unmap_at(host, 0, handle) < 0) {
            __atomic_fetch_add(&lost, 1, __ATOMIC_SEQ_CST);
        }
    }
}

static void everything_at_once(u32 cpu, u64 round) {
    static const job jobs[] = {use_tree, update_tree, store_into_tree, grant_into_tree};
    jobs[(cpu + round) % ARRAY_LENGTH(jobs)](cpu, round);
}

/* One sends another down and up again while that is at it. */
static void down_and_up(u32 cpu, u64 round) {
    if (cpu != 1) {
        everything_at_once(cpu, round);
    } else if (cpu_count > 2) {
        hv_vcpu_op(VCPUOP_DOWN, 2, NULL);
        linger(round);
        cpu_up(2);
    }
}

/* ---- pins and base pointers ----------------------------------------------------------------------------------------- */

static u64 pinned, unpinned, pins_to_try;

static void unpin_it(u32 cpu, u64 round) {
    (void)cpu;
    if (count(unpin(victim_mfn))) {
        __atomic_fetch_add(&unpinned, 1, __ATOMIC_SEQ_CST);
    }
    linger(round % 2);
}

static void pin_it(u64 round) {
    if (pin(1 + round * 4 / (pins_to_try + 1), victim_mfn) == 0) {
        pinned++;
    }
    linger(round % 4 == 0 ? 3 : 0);
}

static void unpin_races(u64 rounds) {
    pinned = unpinned = 0;
    pins_to_try = rounds;
    race("one pins, the others unpin", unpin_it, pin_it, rounds);
    while (unpin(victim_mfn) == 0) {
        unpinned++;
    }
    check_result("each pin was taken away once", (s64)pinned, (s64)unpinned);
    check_result("and the page is no table", 0, map_writable(victim));
    clear_victim();
}

static void switch_base_pointers(u32 cpu, u64 round) {
    u64 kernel = va_to_mfn(play_table[4]);
    if (cpu == 1 && round % 2) {
        count(mmuext(MMUEXT_NEW_USER_BASEPTR, victim_mfn, 0));
        mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0);
    } else {
        count(mmuext(MMUEXT_NEW_BASEPTR, victim_mfn, 0));
        probe_read(victim);
        never(mmuext(MMUEXT_NEW_BASEPTR, kernel, 0) < 0);
    }
}

static void pin_and_unpin_top(u64 round) {
    if (pin(4, victim_mfn) == 0) {
        linger(round);
        never(map_writable(victim) == 0);
        never(unpin(victim_mfn) != 0);
    }
    if (map_writable(victim) == 0) { /* nobody uses it now */
        victim[300] = forged[round % 2];
        linger(round);
        victim[300] = 0;
        must_succeed("read-only", map_read_only(victim));
    }
}

static void base_pointer_races(u64 rounds) {
    must_succeed("writable", map_writable(victim));
    for (unsigned i = 0; i < 512; i++) {
        victim[i] = i >= 256 && i <= 271 ? 0 : play_table[4][i];
    }
    must_succeed("read-only", map_read_only(victim));
    race("base pointers switched while their table is pinned and unpinned", switch_base_pointers, pin_and_unpin_top, rounds);
    check_result("the table is nobody's base pointer", 0, map_writable(victim));
    memset(victim, 0, PAGE_SIZE);
    must_succeed("read-only", map_read_only(victim));
}

/* ---- descriptor tables ---------------------------------------------------------------------------------------------- */

#define GATE 0x0000ec000033e008ul         /* a call gate into the hypervisor */
#define DATA_SEGMENT 0x00cff2000000fffful /* not accessed yet */

static void use_as_descriptors(u32 cpu, u64 round) {
    (void)cpu;
    switch (round % 3) {
    case 0:
        if (count(hv_set_gdt(&victim_mfn, 512))) {
            never(READ_ONCE(victim[9]) == GATE);
            hypercall2(HC_UPDATE_DESCRIPTOR, (victim_mfn << PAGE_SHIFT) + 72, DATA_SEGMENT);
            never(READ_ONCE(victim[9]) == GATE);
            never(hv_set_gdt(NULL, 0) < 0);
        }
        break;
    case 1:
        mmuext(MMUEXT_SET_LDT, (u64)ALIAS, 512);
        count(probe_load_ds(9 << 3 | 7) == 0 ? 0 : -1); /* brings the page in */
        mmuext(MMUEXT_SET_LDT, 0, 0);
        break;
    default:
        hypercall2(HC_UPDATE_DESCRIPTOR, (victim_mfn << PAGE_SHIFT) + 72, round % 2 ? GATE : 0);
    }
}

static void use_otherwise(u64 round) {
    if (map_writable(victim) == 0) {
        victim[9] = round % 2 ? GATE : DATA_SEGMENT;
        linger(round);
        victim[9] = round % 4 == 1 ? GATE : round % 4 == 2 ? DATA_SEGMENT : make_pte(data_mfn, PTE_KERNEL_RO);
        must_succeed("read-only", map_read_only(victim));
    }
    linger(round);
    if (pin(1, victim_mfn) == 0) {
        linger(round);
        look_for_forgeries();
        must_succeed("unpinning", unpin(victim_mfn));
    }
}

/* ---- translations that outlive what they translate ------------------------------------------------------------------ */

static u64 moving_pfn;

static void write_window(u32 cpu, u64 round) {
    count(probe_write(&WINDOW[cpu * 32 + round % 32], forged[round % 2]) == 0 ? 0 : -1); /* as entries: never accepted */
}

static void must_be_zero(u64 mfn, u64 round) {
    must_succeed("a view", map_at(FRESH, make_pte(mfn, PTE_KERNEL_RO)));
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < 512; i++) {
            never(FRESH[i] != 0);
        }
        linger(round);
    }
    must_succeed("no view", hv_update_va_mapping((u64)FRESH, 0, UVMF_INVLPG));
}

static u64 exchanged(u64 mfn) {
    u64 in = mfn, out = moving_pfn;
    struct {
        struct xen_memory_reservation in, out;
        u64 nr_exchanged;
    } exchange = {
        .in = {.extent_start = (u64)&in, .nr_extents = 1, .domid = DOMID_SELF},
        .out = {.extent_start = (u64)&out, .nr_extents = 1, .domid = DOMID_SELF},
    };
    s64 result = hypercall2(HC_MEMORY_OP, XENMEM_EXCHANGE, (u64)&exchange);
    if (result < 0) {
        never(true);
        return mfn;
    }
    return out;
}

static u64 given_and_taken(u64 mfn) {
    u64 list = mfn;
    if (reservation(XENMEM_DECREASE_RESERVATION, &list, 1, 0) != 1) {
        never(true);
        return mfn;
    }
    list = moving_pfn;
    must_succeed("a page", reservation(XENMEM_POPULATE_PHYSMAP, &list, 1, 0) - 1);
    return list;
}

/* No flush is asked for: what the call owes is owed without. */
static void withdraw_and_reuse(u64 round) {
    u64 mfn = mfn_of_pfn(moving_pfn);
    u64 slot = slot_machine_address(mm_slot(WINDOW));
    must_succeed("the window", map_at(WINDOW, make_pte(mfn, PTE_KERNEL_RW)));
    linger(round);
    if (round % 3 == 0) { /* whole again, or not even zeroed: it becomes a table as it is */
        memset((void *)WINDOW, 0, PAGE_SIZE);
    }
    must_succeed("no window", round % 2 ? map_at(WINDOW, 0) : update_entry(slot, 0));
    if (round % 3 == 0) {
        if (count(pin(1, mfn))) {
            must_be_zero(mfn, round);
            must_succeed("unpinning", unpin(mfn));
        }
    } else {
        mfn = round % 3 == 1 ? given_and_taken(mfn) : exchanged(mfn);
        set_mfn_of_pfn(moving_pfn, mfn);
        must_be_zero(mfn, round);
    }
}

/* The same page by a grant. */
static void revoke_and_reuse(u64 round) {
    u32 handle;
    grant_set(FIRST_REF, GTF_PERMIT_ACCESS, own_domain, mfn_of_pfn(moving_pfn));
    must_succeed("a grant", grant_map_at(own_domain, FIRST_REF, (u64)WINDOW, GNTMAP_HOST_MAP, &handle));
    linger(round);
    memset((void *)WINDOW, 0, PAGE_SIZE);
    must_succeed("no grant", grant_unmap_at((u64)WINDOW, 0, handle));
    if (count(pin(1, mfn_of_pfn(moving_pfn)))) {
        must_be_zero(mfn_of_pfn(moving_pfn), round);
        must_succeed("unpinning", unpin(mfn_of_pfn(moving_pfn)));
    }
    grant_set(FIRST_REF, 0, 0, 0);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------ */

static void prepare(void) {
    own_domain = domain_id();
    victim = table_page();
    victim_mfn = va_to_mfn(victim);
    data = page_alloc();
    data_mfn = va_to_mfn(data);
    tree_slot = slot_of(play_table[2], 1);
    spare = mfn_of_pfn(spare_pfn());
    moving_pfn = spare_pfn();
    forged[0] = make_pte(foreign_frame(), PTE_KERNEL_RW);
    forged[1] = make_pte(va_to_mfn(play_table[4]), PTE_KERNEL_RW);
    forged[2] = make_pte(victim_mfn, PTE_KERNEL_RW);
    for (u32 cpu = 0; cpu < cpu_count; cpu++) {
        grant_set(FIRST_REF + cpu, GTF_PERMIT_ACCESS, own_domain, data_mfn);
    }
    must_succeed("an alias", map_at(ALIAS, make_pte(victim_mfn, PTE_KERNEL_RO)));
}

static void tree_races(u64 rounds) {
    must_succeed("writable", map_writable(victim));
    fill_with_leaves();
    must_succeed("read-only", map_read_only(victim));
    race("a table is unhooked while others walk it", use_tree, hook_and_unhook, rounds);
    race("a table is unhooked while others change its entries", update_tree, hook_and_unhook, rounds);
    race("a table is unhooked while others map grants in it", grant_into_tree, hook_and_unhook, rounds);
    hv_vm_assist(VMASST_ENABLE, VMASST_WRITABLE_PAGE_TABLES);
    race("a table is unhooked while others store to it", store_into_tree, hook_and_unhook, rounds);
    race("all of these at once", everything_at_once, hook_and_unhook, rounds);
    race("and vCPUs going down and up", down_and_up, hook_and_unhook, rounds);
    hv_vm_assist(VMASST_DISABLE, VMASST_WRITABLE_PAGE_TABLES);
    clear_victim();
}

void attack_races(u64 rounds) {
    prepare();
    race("a page that others write to becomes a table", store_forgeries, withdraw_and_pin, rounds);
    must_succeed("no window", map_at(WINDOW, 0));
    clear_victim();
    race("a page becomes a table while others update its entries", update_forgeries, scribble_and_pin, rounds);
    clear_victim();
    prepare_copies();
    race("a page becomes a table while others clear and copy it", fill_whole_pages, scribble_and_pin, rounds);
    clear_victim();
    tree_races(rounds);
    unpin_races(rounds);
    base_pointer_races(rounds);
    race("a descriptor page becomes a table", use_as_descriptors, use_otherwise, rounds);
    clear_victim();
    race("a page is taken away while others write to it", write_window, withdraw_and_reuse, rounds);
    race("a grant is taken away while others write to it", write_window, revoke_and_reuse, rounds);
    must_succeed("no alias", map_at(ALIAS, 0));
    table_page_free(victim);
    page_free(data);
}
