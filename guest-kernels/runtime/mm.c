/* SPDX-License-Identifier: Apache-2.0 */
#include "mm.h"

#include "hypercall.h"
#include "runtime.h"
#include "string.h"

/*
 * The pages between VIRT_BASE and the image: RAM that the builder has mapped and nobody uses (2.3). Enough for what the
 * kernels here need, and known at link time, so there is no memory map to read.
 */
#define POOL_PAGES 256
extern char IMAGE_BASE[]; /* link.ld */

static void *freed[POOL_PAGES];
static unsigned freed_count, never_used;

void *page_alloc(void) {
    void *page = freed_count > 0 ? freed[--freed_count] : pfn_to_va(never_used++);
    if ((char *)page >= IMAGE_BASE) {
        panic("out of pages");
    }
    return memset(page, 0, PAGE_SIZE);
}

void page_free(void *page) {
    freed[freed_count++] = page;
}

u64 va_to_mfn(const void *va) {
    return ((const u64 *)start_info->mfn_list)[va_to_pfn(va)];
}

static u64 *table_va(u64 entry) {
    return pfn_to_va(MACHINE_TO_PHYS[(entry & PTE_FRAME_MASK) >> PAGE_SHIFT]);
}

static u64 *slot(u64 *table, const void *va, unsigned level) {
    return &table[(u64)va >> (PAGE_SHIFT + 9 * (level - 1)) & 511];
}

const u64 *mm_slot(const void *va) {
    u64 *table = (u64 *)start_info->pt_base;
    for (unsigned level = 4; level > 1; level--) {
        u64 entry = *slot(table, va, level);
        if (!(entry & PTE_P)) {
            return NULL;
        }
        table = table_va(entry);
    }
    return slot(table, va, 1);
}

s64 mm_set_pte(const void *va, u64 pte) {
    return hv_update_va_mapping((u64)va, pte, UVMF_INVLPG);
}

void mm_map_foreign(void *va, u64 machine_address) {
    must_succeed("update_va_mapping", mm_set_pte(va, machine_address | PTE_KERNEL_RW));
}

u64 mm_make_read_only(void *page) {
    u64 mfn = va_to_mfn(page);
    must_succeed("update_va_mapping", mm_set_pte(page, make_pte(mfn, PTE_KERNEL_RO)));
    return mfn;
}

/* The machine address of a slot, by which mmu_update names it. */
static u64 slot_address(const u64 *slot) {
    return (va_to_mfn(slot) << PAGE_SHIFT) + (u64)slot % PAGE_SIZE;
}

s64 mm_map(const void *va, u64 pte) {
    u64 *table = (u64 *)start_info->pt_base;
    for (unsigned level = 4; level > 1; level--) {
        u64 *entry = slot(table, va, level);
        if (!(*entry & PTE_P)) {
            struct mmu_update update = {
                .ptr = slot_address(entry) | MMU_NORMAL_PT_UPDATE,
                .val = make_pte(mm_make_read_only(page_alloc()), PTE_TABLE),
            };
            s64 result = hv_mmu_update(&update, 1);
            if (result < 0) {
                return result;
            }
        }
        table = table_va(READ_ONCE(*entry));
    }
    return mm_set_pte(va, pte);
}

s64 mm_map_io(const void *va, u64 mfn) {
    s64 result = mm_map(va, 0); /* for the tables */
    if (result < 0) {
        return result;
    }
    struct mmu_update update = {
        .ptr = slot_address(mm_slot(va)) | MMU_NORMAL_PT_UPDATE,
        .val = make_pte(mfn, PTE_KERNEL_RW | PTE_PCD),
    };
    result = hv_mmu_update_io(&update, 1);
    return result < 0 ? result : 0;
}
