/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a PV guest.
 *
 * Three numberings: a *pfn* counts the domain's own pages from 0; an *mfn* is where such a page really lies, and what page
 * tables hold; a *va* is an address. At start the builder has mapped pages [0, end of the boot area) at VIRT_BASE, and
 * all page tables lie among them, so pfn_to_va() reaches them.
 *
 * Page tables are read directly and written by hypercall only: the hypervisor maps them read-only (xen-pv-abi.md, 5).
 */
#ifndef MM_H
#define MM_H

#include "xen_abi.h"

extern char VIRT_BASE[]; /* link.ld */

static inline void *pfn_to_va(u64 pfn) {
    return VIRT_BASE + (pfn << PAGE_SHIFT);
}

static inline u64 va_to_pfn(const void *va) {
    return (u64)((const char *)va - VIRT_BASE) >> PAGE_SHIFT;
}

/* The frame of a page of the initial mapping, whatever is mapped at its address now. */
u64 va_to_mfn(const void *va);

/* Zeroed pages of the initial mapping. Running out is a panic: there are 256. */
void *page_alloc(void);
void page_free(void *page);

/* The level-1 entry that maps va, to read; NULL when a table on the way is missing. */
const u64 *mm_slot(const void *va);

/* Replaces the level-1 entry of va, whose tables must exist. 0 or a negative errno. */
s64 mm_set_pte(const void *va, u64 pte);

/* The same, adding the tables that are missing. */
s64 mm_map(const void *va, u64 pte);

/* Shows a frame of I/O memory at va, uncached, adding the tables that are missing. 0 or a negative errno. */
s64 mm_map_io(const void *va, u64 mfn);

/* Replaces the page at va, one of the image's own, by a frame that the hypervisor named. */
void mm_map_foreign(void *va, u64 machine_address);

/* Flags of an ordinary kernel page. */
#define PTE_KERNEL_RW (PTE_P | PTE_RW | PTE_A | PTE_D)
#define PTE_KERNEL_RO (PTE_P | PTE_A)
#define PTE_TABLE (PTE_P | PTE_RW | PTE_U | PTE_A | PTE_D)

static inline u64 make_pte(u64 mfn, u64 flags) {
    return mfn << PAGE_SHIFT | flags;
}

/*
 * Takes the write permission from a page, so that the hypervisor will accept it as a page table or a descriptor table.
 * Fill it first. Returns its frame.
 */
u64 mm_make_read_only(void *page);

#endif
