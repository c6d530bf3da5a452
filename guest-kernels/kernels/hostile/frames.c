/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every frame of the machine that is not the domain's, put into every call that takes a frame. Nothing may accept one: not
 * the hypervisor's own frames, not the M2P's, not another domain's, not free ones, not numbers beyond the machine.
 */
#include "console.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"

static u64 *scratch; /* an ordinary page of ours */

static s64 map_ro(u64 mfn) {
    return hv_update_va_mapping(PLAY, make_pte(mfn, PTE_KERNEL_RO), UVMF_INVLPG);
}

static s64 map_rw(u64 mfn) {
    return hv_update_va_mapping(PLAY, make_pte(mfn, PTE_KERNEL_RW | PTE_U), UVMF_TLB_FLUSH);
}

static s64 leaf(u64 mfn) {
    return update_entry(slot_machine_address(&play_table[1][2]), make_pte(mfn, PTE_KERNEL_RW));
}

static s64 leaf_preserving(u64 mfn) {
    return update_entry(slot_machine_address(&play_table[1][2]) | MMU_PT_UPDATE_PRESERVE_AD, make_pte(mfn, PTE_KERNEL_RO));
}

static s64 leaf_untranslated(u64 mfn) {
    return update_entry(slot_machine_address(&play_table[1][2]) | MMU_PT_UPDATE_NO_TRANSLATE, make_pte(mfn, PTE_KERNEL_RO));
}

static s64 level_2(u64 mfn) {
    return update_entry(slot_machine_address(&play_table[2][7]), make_pte(mfn, PTE_TABLE));
}

static s64 level_3(u64 mfn) {
    return update_entry(slot_machine_address(&play_table[3][7]), make_pte(mfn, PTE_TABLE));
}

static s64 level_4(u64 mfn) {
    return update_entry(slot_machine_address(&play_table[4][300]), make_pte(mfn, PTE_TABLE));
}

static s64 level_4_read_only(u64 mfn) {
    return update_entry(slot_machine_address(&play_table[4][300]), make_pte(mfn, PTE_P | PTE_U));
}

static s64 pin_1(u64 mfn) {
    return pin(1, mfn);
}

static s64 pin_2(u64 mfn) {
    return pin(2, mfn);
}

static s64 pin_3(u64 mfn) {
    return pin(3, mfn);
}

static s64 pin_4(u64 mfn) {
    return pin(4, mfn);
}

static s64 base_pointer(u64 mfn) {
    return mmuext(MMUEXT_NEW_BASEPTR, mfn, 0);
}

static s64 user_base_pointer(u64 mfn) {
    return mfn == 0 ? -EINVAL : mmuext(MMUEXT_NEW_USER_BASEPTR, mfn, 0); /* 0 means none, and that is allowed */
}

static s64 clear(u64 mfn) {
    return mmuext(MMUEXT_CLEAR_PAGE, mfn, 0);
}

static s64 copy_to(u64 mfn) {
    return mmuext(MMUEXT_COPY_PAGE, mfn, va_to_mfn(scratch));
}

static s64 copy_from(u64 mfn) {
    return mmuext(MMUEXT_COPY_PAGE, va_to_mfn(scratch), mfn);
}

static s64 store(u64 mfn) {
    return update_entry(mfn << PAGE_SHIFT, 0);
}

static s64 forge_m2p(u64 mfn) {
    return update_entry(mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 1);
}

static s64 descriptor_table(u64 mfn) {
    return hv_set_gdt(&mfn, 512);
}

static s64 descriptor(u64 mfn) {
    return hypercall2(HC_UPDATE_DESCRIPTOR, mfn << PAGE_SHIFT, 0);
}

static s64 give_away(u64 mfn) {
    return reservation(XENMEM_DECREASE_RESERVATION, &mfn, 1, 0) == 0 ? -1 : 0;
}

static s64 grant_copy_from(u64 mfn) {
    return grant_copy((struct gnttab_copy){.source = mfn, .source_dom = DOMID_SELF, .dest = va_to_mfn(scratch),
                                           .dest_dom = DOMID_SELF, .length = 8});
}

static s64 grant_copy_to(u64 mfn) {
    return grant_copy((struct gnttab_copy){.source = va_to_mfn(scratch), .source_dom = DOMID_SELF, .dest = mfn,
                                           .dest_dom = DOMID_SELF, .length = 8});
}

static s64 as_event_array(u64 mfn) {
    return hv_event_channel_op(EVTCHNOP_EXPAND_ARRAY, &mfn);
}

static s64 as_vcpu_info(u64 mfn) {
    struct {
        u64 mfn;
        u32 offset, pad;
    } info = {mfn, 0, 0};
    return hv_vcpu_op(VCPUOP_REGISTER_VCPU_INFO, 0, &info);
}

static const struct way {
    const char *name;
    s64 (*attack)(u64 mfn);
} ways[] = {
    {"update_va_mapping, read-only", map_ro},
    {"update_va_mapping, writable", map_rw},
    {"mmu_update of a leaf", leaf},
    {"mmu_update of a leaf, preserving A and D", leaf_preserving},
    {"mmu_update of a leaf, not translated", leaf_untranslated},
    {"mmu_update, as a level-1 table", level_2},
    {"mmu_update, as a level-2 table", level_3},
    {"mmu_update, as a level-3 table", level_4},
    {"mmu_update, as a linear level-4 table", level_4_read_only},
    {"mmu_update, stored to", store},
    {"mmu_update, its M2P entry", forge_m2p},
    {"pinned as a level-1 table", pin_1},
    {"pinned as a level-2 table", pin_2},
    {"pinned as a level-3 table", pin_3},
    {"pinned as a level-4 table", pin_4},
    {"unpinned", unpin},
    {"base pointer", base_pointer},
    {"user base pointer", user_base_pointer},
    {"clear_page", clear},
    {"copy_page, to it", copy_to},
    {"copy_page, from it", copy_from},
    {"set_gdt", descriptor_table},
    {"update_descriptor", descriptor},
    {"decrease_reservation", give_away},
    {"grant copy, from it", grant_copy_from},
    {"grant copy, to it", grant_copy_to},
    {"event array", as_event_array},
    {"vcpu_info", as_vcpu_info},
};

/* Numbers that no machine has, and those at the edges of fields that hold frame numbers. */
static const u64 absurd[] = {
    1ul << 35, (1ul << 35) - 1, (1ul << 40) - 1, 1ul << 40, (1ul << 52) - 1, 1ul << 51,
    1ul << 31, (1ul << 31) - 1, 1ul << 32, (1ul << 32) + 1, 1ul << 36, ~0ul >> 12,
};

/* Large machines are sampled, by a step that meets every kind of place in time. */
#define MOST_FRAMES 49152

static void walk(const struct way *way) {
    u64 end = machine_frames(), step = 1 + end / MOST_FRAMES * 2;
    u64 accepted = 0, example = 0;
    for (u64 mfn = 0; mfn < end; mfn += step) {
        if (!is_mine(mfn) && !is_shared_with_me(mfn) && way->attack(mfn) >= 0) {
            accepted++;
            example = mfn;
        }
    }
    for (size_t i = 0; i <= ARRAY_LENGTH(absurd); i++) {
        u64 mfn = i < ARRAY_LENGTH(absurd) ? absurd[i] : end;
        if (way->attack(mfn) >= 0) {
            accepted++;
            example = mfn;
        }
    }
    char name[80];
    snprintf(name, sizeof name, "strangers' frames: %s", way->name);
    check(name, accepted == 0, (s64)example);
}

void attack_frames(void) {
    scratch = page_alloc();
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        walk(&ways[i]);
    }
    page_free(scratch);

    u64 value;
    check("strangers' frames: nothing appeared", !try_read((void *)PLAY, &value) && !try_read((void *)(PLAY + 2 * PAGE_SIZE), &value), 0);

    static const u16 owners[] = {0, 1, 2, 3, 100, DOMID_IO, DOMID_XEN, 0x7ff3, 0x7ff4, DOMID_IDLE, 0xffff};
    u64 accepted = 0, example = 0;
    u16 self = domain_id();
    for (size_t i = 0; i < ARRAY_LENGTH(owners); i++) {
        u16 owner = owners[i];
        if (owner == self) {
            continue;
        }
        for (u64 mfn = 0; mfn < machine_frames(); mfn += 61) {
            if (is_mine(mfn)) {
                continue;
            }
            struct mmu_update update = {slot_machine_address(&play_table[1][2]), make_pte(mfn, PTE_KERNEL_RO)};
            struct mmu_update theirs = {mfn << PAGE_SHIFT, 0};
            s64 results[] = {
                hypercall4(HC_UPDATE_VA_MAPPING_OTHERDOMAIN, PLAY, make_pte(mfn, PTE_KERNEL_RO), UVMF_INVLPG, owner),
                hypercall4(HC_MMU_UPDATE, (u64)&update, 1, 0, owner),
                hypercall4(HC_MMU_UPDATE, (u64)&theirs, 1, 0, (u64)(owner + 1) << 16 | DOMID_SELF),
            };
            for (size_t r = 0; r < ARRAY_LENGTH(results); r++) {
                if (results[r] >= 0) {
                    accepted++;
                    example = (u64)owner << 48 | mfn;
                }
            }
        }
    }
    check("strangers' frames: in the name of their owners", accepted == 0, (s64)example);
}
