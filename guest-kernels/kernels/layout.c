/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout: looks whether the domain builder has put everything where the ABI, and the notes of this image, ask for it
 * (xen-pv-abi.md, 2.2 to 2.5). Linked three times: as other kernels are; "low", with page 0 at address 0; and "high", in the
 * last 2 GiB of the address space, with the P2M list at an address of its own and the ramdisk not mapped.
 *
 *     ramdisk=N   a ramdisk of N bytes is expected: byte i is 7 i + i / 4096, modulo 256
 *
 * "layout: ok  NAME" or "layout: FAIL NAME: ..." a check, then "layout: N passed, M failed". Powers off if nothing failed,
 * else crashes.
 */
#include "cmdline.h"
#include "console.h"
#include "hypercall.h"
#include "mm.h"
#include "runtime.h"
#include "string.h"

extern char IMAGE_BASE[]; /* link.ld */
extern struct console_ring console_ring;

/* One page here shows any frame that the initial mapping does not. */
#define VIEW ((const u64 *)0x0000020000000000)

#define SLACK_PAGES 128 /* 512 KiB beyond the boot stack */
#define STEP_PAGES 1024 /* the mapping ends at a multiple of 4 MiB */

static unsigned passed, failed;
static const u64 *p2m;
static u64 start_info_pfn, tables_pfn, stack_pfn, mapped;

static void check(const char *name, u64 expected, u64 got) {
    if (expected == got) {
        passed++;
        printf("layout: ok  %s\n", name);
    } else {
        failed++;
        printf("layout: FAIL %s: expected 0x%lx, got 0x%lx\n", name, expected, got);
    }
}

static u64 frame_of(u64 entry) {
    return (entry & PTE_FRAME_MASK) >> PAGE_SHIFT;
}

static u64 pages_for(u64 bytes) {
    return (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
}

static const u64 *view(u64 mfn) {
    must_succeed("a view", mm_map(VIEW, make_pte(mfn, PTE_KERNEL_RO)));
    return VIEW;
}

/* To the compiler the address of anything in the image is not 0. */
static u64 virt_base(void) {
    u64 base;
    __asm__("mov $VIRT_BASE, %0" : "=r"(base));
    return base;
}

/* ---- the initial mapping ----------------------------------------------------------------------------------------- */

static bool is_table(u64 pfn) {
    return pfn >= tables_pfn && pfn < tables_pfn + start_info->nr_pt_frames;
}

/* Pages of the image that the runtime has put something else over by now. */
static bool is_replaced(u64 pfn) {
    return pfn == va_to_pfn(&shared_info) || pfn == va_to_pfn(&console_ring);
}

static void mapping(void) {
    u64 wrong_frames = 0, wrong_permissions = 0;
    for (const u64 *slot; (slot = mm_slot(pfn_to_va(mapped))) != NULL && (*slot & PTE_P); mapped++) {
        if (!is_replaced(mapped)) {
            wrong_frames += frame_of(*slot) != p2m[mapped];
            wrong_permissions += ((*slot & PTE_RW) != 0) == is_table(mapped);
        }
    }
    check("the mapping shows page after page", 0, wrong_frames);
    check("everything but page tables is writable", 0, wrong_permissions);
    check("the mapping's end is a multiple of 4 MiB", 0, (u64)pfn_to_va(mapped) % (STEP_PAGES * PAGE_SIZE));
    check("at least 512 KiB lie beyond the boot stack", true, mapped >= stack_pfn + 1 + SLACK_PAGES);
    check("and not 4 MiB more than that", true, mapped < stack_pfn + 1 + SLACK_PAGES + STEP_PAGES);
    const u64 *null = mm_slot(NULL);
    check("page 0 is at VIRT_BASE, and nothing at 0 otherwise", virt_base() == 0, null != NULL && (*null & PTE_P));

    volatile u64 *below = pfn_to_va(va_to_pfn(IMAGE_BASE) - 1);
    u64 before = *below;
    *below = 0x10ca1;
    check("below the image there is zeroed RAM", 0x10ca1, before + *below);
}

/* Level 4 first, then 3, 2 and all of 1, one after the other. */
static void tables(void) {
    const u64 *table = (const u64 *)start_info->pt_base;
    u64 pfn = tables_pfn, out_of_order = 0;
    for (unsigned level = 4; level > 1; level--) {
        u64 entry = table[(u64)VIRT_BASE >> (PAGE_SHIFT + 9 * (level - 1)) & 511];
        out_of_order += frame_of(entry) != p2m[++pfn];
        table = pfn_to_va(pfn);
    }
    u64 level1 = 0;
    for (; level1 < mapped / 512; level1++) {
        const u64 *slot = mm_slot(pfn_to_va(level1 * 512));
        out_of_order += va_to_pfn(slot) != pfn + level1;
    }
    check("page tables lie in order, the highest first", 0, out_of_order);
    check("and there are no others", 3 + level1, start_info->nr_pt_frames);
    check("the boot stack comes next", true, (*mm_slot(pfn_to_va(stack_pfn)) & PTE_RW) != 0);
}

static void order(u64 after_the_list) {
    check("start info follows the list, or the image", after_the_list, start_info_pfn);
    check("then xenstore's ring", p2m[start_info_pfn + 1], start_info->store_mfn);
    check("then the console's ring", p2m[start_info_pfn + 2], start_info->console_mfn);
    check("then the page tables", start_info_pfn + 3, tables_pfn);
}

static void machine_numbers(void) {
    u64 wrong = 0;
    for (u64 pfn = 0; pfn < start_info->nr_pages; pfn++) {
        wrong += MACHINE_TO_PHYS[p2m[pfn]] != pfn;
    }
    check("every page of the list is ours by the machine's table", 0, wrong);
}

/* ---- the P2M list ------------------------------------------------------------------------------------------------ */

#ifdef INIT_P2M

/* The frames of the list come first, then those of the tables that map it, and all lie beyond the initial mapping. */
static void p2m_list(u64 first_pfn) {
    check("the list is where the image wants it", INIT_P2M, (u64)p2m);
    check("its frames follow the mapping and the ramdisk", first_pfn, start_info->first_p2m_pfn);
    u64 pages = pages_for(start_info->nr_pages * 8), wrong = 0;
    u64 next_table = start_info->first_p2m_pfn + pages;
    u64 table = p2m[tables_pfn], seen[5] = {0};
    for (u64 page = 0; page < pages; page++) {
        u64 va = INIT_P2M + page * PAGE_SIZE, entry = 0;
        table = p2m[tables_pfn];
        for (unsigned level = 4; level >= 1; level--) {
            entry = view(table)[va >> (PAGE_SHIFT + 9 * (level - 1)) & 511];
            if (!(entry & PTE_P)) {
                wrong++;
                break;
            }
            table = frame_of(entry);
            if (level > 1 && seen[level - 1] != table) {
                seen[level - 1] = table;
                u64 pfn = MACHINE_TO_PHYS[table];
                wrong += pfn < start_info->first_p2m_pfn + pages || pfn >= start_info->first_p2m_pfn + start_info->nr_p2m_frames;
                next_table++;
            }
        }
        wrong += frame_of(entry) != p2m[start_info->first_p2m_pfn + page];
    }
    check("it shows its frames by tables that lie behind them", 0, wrong);
    check("which is all that nr_p2m_frames counts", next_table, start_info->first_p2m_pfn + start_info->nr_p2m_frames);
    u64 *last = (u64 *)p2m + start_info->nr_pages - 1;
    u64 value = *last;
    WRITE_ONCE(*last, value);
    check("the list is ours to write", value, READ_ONCE(*last));
}

#else

static void p2m_list(u64 first_pfn) {
    check("the list follows the image and the ramdisk", (u64)pfn_to_va(first_pfn), (u64)p2m);
    check("no frames of a list elsewhere", 0, start_info->first_p2m_pfn + start_info->nr_p2m_frames);
}

#endif

/* ---- the ramdisk ------------------------------------------------------------------------------------------------- */

static void contents(u64 pfn, u64 length) {
    u64 wrong = 0;
    for (u64 page = 0; page < pages_for(length); page++) {
        const u8 *bytes = (const u8 *)view(p2m[pfn + page]);
        for (u64 i = 0; i < PAGE_SIZE; i++) {
            u64 at = page * PAGE_SIZE + i;
            wrong += bytes[i] != (at < length ? (u8)(7 * at + at / PAGE_SIZE) : 0);
        }
    }
    check("the ramdisk has what was in the file, and zeros behind it", 0, wrong);
}

/* expected_pfn is where it has to be if there is one. */
static void ramdisk(u64 length, u64 expected_pfn) {
#ifdef MOD_START_PFN
    u64 start = expected_pfn, flags = SIF_MOD_START_PFN;
#else
    u64 start = (u64)pfn_to_va(expected_pfn), flags = 0;
#endif
    check("the ramdisk's length", length, start_info->mod_len);
    check("the ramdisk is where it belongs", length != 0 ? start : 0, start_info->mod_start);
    check("and start info says how that is to be read", length != 0 ? flags : 0, start_info->flags & SIF_MOD_START_PFN);
    if (length != 0) {
        contents(expected_pfn, length);
    }
}

extern char image_end[]; /* link.ld */

void kernel_main(void) {
    u64 length = cmdline_u64("ramdisk", 0);
    u64 end_of_image = va_to_pfn(image_end);
    p2m = (const u64 *)start_info->mfn_list;
    start_info_pfn = va_to_pfn(start_info);
    tables_pfn = va_to_pfn((const void *)start_info->pt_base);
    stack_pfn = tables_pfn + start_info->nr_pt_frames;
    printf("layout: page 0 at %p, list at %p, %lu pages\n", (void *)VIRT_BASE, (const void *)p2m, start_info->nr_pages);
    check("start info says what it is", 0, (u64)strcmp(start_info->magic, "xen-3.0-x86_64"));
    mapping();
    tables();
    machine_numbers();
#ifdef MOD_START_PFN
    ramdisk(length, mapped);
#else
    ramdisk(length, end_of_image);
#endif
#ifdef INIT_P2M
    order(end_of_image);
    p2m_list(mapped + pages_for(length));
#else
    order(end_of_image + pages_for(length) + pages_for(start_info->nr_pages * 8));
    p2m_list(end_of_image + pages_for(length));
#endif
    printf("layout: %u passed, %u failed\n", passed, failed);
    if (failed > 0) {
        crash();
    }
}
