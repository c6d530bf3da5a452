/* SPDX-License-Identifier: Apache-2.0 */
/* The domain's own memory as the domain remembers it, and the search for what it should not have. */
#include "kernels/hostile/hostile.h"

#include "console.h"
#include "runtime.h"

u64 *play_table[5];
u64 grant_table_frame;

static u64 frames_of_machine;
static u64 next_spare;
static u64 shared[2];
static unsigned shared_count;

u64 mfn_of_pfn(u64 pfn) {
    return ((const u64 *)start_info->mfn_list)[pfn];
}

void set_mfn_of_pfn(u64 pfn, u64 mfn) {
    ((u64 *)start_info->mfn_list)[pfn] = mfn;
}

bool is_mine(u64 mfn) {
    u64 pfn;
    return mfn < frames_of_machine && try_read(&MACHINE_TO_PHYS[mfn], &pfn) && pfn < start_info->nr_pages &&
           mfn_of_pfn(pfn) == mfn;
}

static void shared_with_me(u64 mfn) {
    if (shared_count == ARRAY_LENGTH(shared)) {
        panic("too many shared frames");
    }
    shared[shared_count++] = mfn;
}

bool is_shared_with_me(u64 mfn) {
    for (unsigned i = 0; i < shared_count; i++) {
        if (shared[i] == mfn) {
            return true;
        }
    }
    return false;
}

u64 machine_frames(void) {
    return frames_of_machine;
}

u64 foreign_frame(void) {
    static u64 found;
    for (u64 mfn = frames_of_machine; found == 0 && mfn-- > 0;) {
        if (!is_mine(mfn) && !is_shared_with_me(mfn)) {
            found = mfn;
        }
    }
    return found;
}

u64 spare_pfn(void) {
    return --next_spare;
}

u64 slot_machine_address(const u64 *slot) {
    return (va_to_mfn(slot) << PAGE_SHIFT) + (u64)slot % PAGE_SIZE;
}

static u64 *table_of(u64 entry) {
    return pfn_to_va(MACHINE_TO_PHYS[(entry & PTE_FRAME_MASK) >> PAGE_SHIFT]);
}

void world_init(void) {
    frames_of_machine = (u64)hypercall2(HC_MEMORY_OP, XENMEM_MAXIMUM_RAM_PAGE, 0);
    next_spare = start_info->nr_pages;
    shared_with_me(start_info->shared_info >> PAGE_SHIFT);
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1, .frame_list = &grant_table_frame};
    must_succeed("setup_table", hv_grant_table_op(GNTTABOP_SETUP_TABLE, &setup, 1));
    shared_with_me(grant_table_frame);

    must_succeed("mapping the playground", mm_map((void *)PLAY, 0));
    u64 *table = (u64 *)start_info->pt_base;
    for (unsigned level = 4; level > 1; level--) {
        play_table[level] = table;
        table = table_of(table[PLAY >> (PAGE_SHIFT + 9 * (level - 1)) & 511]);
    }
    play_table[1] = table;
    sharing_init();
}

s64 map_writable(const void *page) {
    return mm_set_pte(page, make_pte(va_to_mfn(page), PTE_KERNEL_RW));
}

s64 map_read_only(const void *page) {
    return mm_set_pte(page, make_pte(va_to_mfn(page), PTE_KERNEL_RO));
}

u64 *table_page(void) {
    u64 *page = page_alloc();
    mm_make_read_only(page);
    return page;
}

void table_page_free(u64 *page) {
    must_succeed("taking a table page back", map_writable(page));
    page_free(page);
}

s64 reservation(u32 cmd, u64 *list, u64 extents, u32 order) {
    struct xen_memory_reservation r = {
        .extent_start = (u64)list, .nr_extents = extents, .extent_order = order, .domid = DOMID_SELF};
    return hypercall2(HC_MEMORY_OP, cmd, (u64)&r);
}

/* ---- is everything as it should be? ---- */

struct findings {
    u64 strangers, writable_tables, leaves;
    u64 example;
};

/* Frames of tables on the way to where the walk is, and those that it has seen: a table is one if a walk goes through it. */
#define SEEN_TABLES 1024
static u64 seen_tables[SEEN_TABLES];
static unsigned seen_count;

static void note_table(u64 mfn) {
    for (unsigned i = 0; i < seen_count; i++) {
        if (seen_tables[i] == mfn) {
            return;
        }
    }
    if (seen_count < SEEN_TABLES) {
        seen_tables[seen_count++] = mfn;
    }
}

static bool is_seen_table(u64 mfn) {
    for (unsigned i = 0; i < seen_count; i++) {
        if (seen_tables[i] == mfn) {
            return true;
        }
    }
    return false;
}

static bool is_hypervisors_slot(unsigned level, unsigned i) {
    return level == 4 && i >= 256 && i <= 271;
}

static void find_tables(const u64 *table, unsigned level) {
    note_table(va_to_mfn(table));
    for (unsigned i = 0; level > 1 && i < 512; i++) {
        u64 mfn = (table[i] & PTE_FRAME_MASK) >> PAGE_SHIFT;
        if ((table[i] & PTE_P) && !is_hypervisors_slot(level, i) && is_mine(mfn)) {
            find_tables(table_of(table[i]), level - 1);
        }
    }
}

static void look_through(const u64 *table, unsigned level, struct findings *found) {
    for (unsigned i = 0; i < 512; i++) {
        u64 entry = table[i], mfn = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT;
        if (!(entry & PTE_P) || is_hypervisors_slot(level, i)) {
            continue;
        }
        if (!is_mine(mfn) && !(level == 1 && is_shared_with_me(mfn))) {
            found->strangers++;
            found->example = entry;
        } else if (level > 1) {
            look_through(table_of(entry), level - 1, found);
        } else {
            found->leaves++;
            if ((entry & PTE_RW) && is_seen_table(mfn)) {
                found->writable_tables++;
                found->example = entry;
            }
        }
    }
}

/* The hypervisor's own addresses: the M2P cannot be written, the rest not even read. */
static bool hypervisor_is_out_of_reach(void) {
    u64 value;
    bool reached = try_write((u64 *)HYPERVISOR_VIRT_START, 0);
    for (u64 va = HYPERVISOR_VIRT_START + (1ul << 39); va < HYPERVISOR_VIRT_END; va += 1ul << 36) {
        reached |= try_read((void *)va, &value) || try_write((void *)va, 0);
    }
    return !reached;
}

static bool mapping_works(void) {
    u64 mfn = mfn_of_pfn(start_info->nr_pages / 2);
    u64 value, other;
    bool works = hv_update_va_mapping(PLAY, make_pte(mfn, PTE_KERNEL_RW), UVMF_INVLPG) == 0 &&
                 try_write((void *)PLAY, 0x5eed0000c0ffee) &&
                 hv_update_va_mapping(PLAY + PAGE_SIZE, make_pte(mfn, PTE_KERNEL_RO), UVMF_INVLPG) == 0 &&
                 try_read((void *)(PLAY + PAGE_SIZE), &value) && value == 0x5eed0000c0ffee &&
                 !try_write((void *)(PLAY + PAGE_SIZE), 0) &&
                 hv_update_va_mapping(PLAY, 0, UVMF_INVLPG) == 0 && !try_read((void *)PLAY, &other);
    return hv_update_va_mapping(PLAY + PAGE_SIZE, 0, UVMF_INVLPG) == 0 && works;
}

void world_check(const char *after) {
    struct findings found = {0};
    seen_count = 0;
    find_tables((u64 *)start_info->pt_base, 4);
    look_through((u64 *)start_info->pt_base, 4, &found);

    char name[80];
    snprintf(name, sizeof name, "after %s: no stranger's frame is mapped", after);
    check(name, found.strangers == 0 && found.leaves > 0, (s64)found.example);
    snprintf(name, sizeof name, "after %s: no page table is writable", after);
    check(name, found.writable_tables == 0, (s64)found.example);
    snprintf(name, sizeof name, "after %s: the hypervisor is out of reach", after);
    check(name, hypervisor_is_out_of_reach(), 0);
    snprintf(name, sizeof name, "after %s: mapping a page works", after);
    check(name, mapping_works(), 0);
}
