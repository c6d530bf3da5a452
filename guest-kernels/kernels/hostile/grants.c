/* SPDX-License-Identifier: Apache-2.0 */
/* Grants to oneself: everything the mapping side and the granting side can get wrong, without a second domain. */
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

#define TABLE own_grants
#define FIRST 16

static u16 self;

static s64 map(u32 ref, u64 host, u32 flags, u32 *handle) {
    return grant_map_at(self, ref, host, flags, handle);
}

static s64 unmap(u64 host, u32 handle) {
    return grant_unmap_at(host, 0, handle);
}

static s64 replace(u64 host, u64 with, u32 handle) {
    struct gnttab_unmap_grant_ref op = {.host_addr = host, .dev_bus_addr = with, .handle = handle};
    s64 result = hv_grant_table_op(GNTTABOP_UNMAP_AND_REPLACE, &op, 1);
    return result < 0 ? result : op.status;
}

static void handles_and_addresses(u64 *data) {
    u64 mfn = va_to_mfn(data);
    u32 handle, none;
    grant_set(FIRST, GTF_PERMIT_ACCESS, self, mfn);
    check_result("a grant to oneself", 0, map(FIRST, PLAY, GNTMAP_HOST_MAP, &handle));
    check("is written through", try_write((void *)PLAY, 0xabc) && data[0] == 0xabc, (s64)data[0]);
    check_refused("a granted page as a page table", pin(1, mfn));
    u64 list = mfn;
    check_result("a granted page given back", 0, reservation(XENMEM_DECREASE_RESERVATION, &list, 1, 0));
    static const u32 wrong[] = {1, ~0u, 1u << 31, 1u << 16, 0x7fffffff};
    u64 accepted = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        accepted += unmap(PLAY, handle + wrong[i]) >= 0;
        accepted += replace(PLAY, PLAY + PAGE_SIZE, handle + wrong[i]) >= 0;
    }
    check("wrong handles", accepted == 0, (s64)accepted);
    static const u64 elsewhere[] = {PLAY + (1ul << 30), HYPERVISOR_VIRT_START, 1ul << 63, 0x0000800000000000, ~0ul, 8};
    for (size_t i = 0; i < ARRAY_LENGTH(elsewhere); i++) {
        accepted += unmap(elsewhere[i], handle) >= 0;
        accepted += replace(PLAY, elsewhere[i], handle) >= 0;
    }
    accepted += unmap(PLAY + PAGE_SIZE, handle) >= 0;
    accepted += replace(PLAY, PLAY, handle) >= 0;
    check("unmapped where it is not mapped", accepted == 0, (s64)accepted);
    check_result("unmapped", 0, unmap(PLAY, handle));
    check_result("unmapped twice", GNTST_BAD_HANDLE, unmap(PLAY, handle));
    check("nothing is there", !try_write((void *)PLAY, 0), 0);
    check("and the entry is free", (TABLE[FIRST].flags & (GTF_READING | GTF_WRITING)) == 0, TABLE[FIRST].flags);

    static const u32 refs[] = {512, 32767, 32768, 1u << 31, ~0u, 65536, 0x7fffffff, 1u << 29};
    accepted = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(refs); i++) {
        accepted += map(refs[i], PLAY, GNTMAP_HOST_MAP, &none) >= 0;
    }
    check("references that do not exist", accepted == 0, (s64)accepted);
    check_result("neither host nor device", GNTST_BAD_GNTREF, map(FIRST, PLAY, 0, &none));
    static const u16 domains[] = {DOMID_IO, DOMID_XEN, 0x7ff4, DOMID_IDLE, 0xffff, 12345};
    for (size_t i = 0; i < ARRAY_LENGTH(domains); i++) {
        accepted += grant_map_at(domains[i], FIRST, PLAY, GNTMAP_HOST_MAP, &none) >= 0;
    }
    check("domains that do not exist", accepted == 0, (s64)accepted);
    for (u16 domain = 0; domain < 5; domain++) {
        for (u32 ref = 0; domain != self && ref < 64; ref++) {
            accepted += grant_map_at(domain, ref, PLAY, GNTMAP_HOST_MAP | GNTMAP_READONLY, &none) >= 0;
            accepted += grant_map_at(domain, ref, 0, GNTMAP_DEVICE_MAP, &none) >= 0;
        }
    }
    check("grants of others that are not for us", accepted == 0, (s64)accepted);
}

/* XSA-224: the parts of a mapping are given back once each. */
static void parts(u64 *data) {
    u64 mfn = va_to_mfn(data);
    u32 handle;
    grant_set(FIRST, GTF_PERMIT_ACCESS, self, mfn);
    check_result("mapped for host and device", 0, map(FIRST, PLAY, GNTMAP_HOST_MAP | GNTMAP_DEVICE_MAP, &handle));
    check_refused("a wrong device address", grant_unmap_at(0, (mfn + 1) << PAGE_SHIFT, handle));
    check_result("the device's part", 0, grant_unmap_at(0, mfn << PAGE_SHIFT, handle));
    grant_unmap_at(0, mfn << PAGE_SHIFT, handle);
    check("the device's part twice leaves the host's", try_write((void *)PLAY, 1) && (TABLE[FIRST].flags & GTF_WRITING), 0);
    check_refused("and the page in use", pin(1, mfn));
    check_result("the host's part", 0, unmap(PLAY, handle));
    check_result("and no handle", GNTST_BAD_HANDLE, unmap(PLAY, handle));

    /* The guest overwrites the entry: the reference is its own to give up, the grant stays pinned. */
    check_result("mapped", 0, map(FIRST, PLAY, GNTMAP_HOST_MAP, &handle));
    must_succeed("overwriting", hv_update_va_mapping(PLAY, 0, UVMF_INVLPG));
    check_result("unmapped after it was overwritten", GNTST_GENERAL_ERROR, unmap(PLAY, handle));
    check("its entry stays in use", TABLE[FIRST].flags & GTF_WRITING, TABLE[FIRST].flags);
    memset(data, 0, PAGE_SIZE);
    map_read_only(data);
    check_result("and its page is free", 0, pin(1, mfn) == 0 ? unpin(mfn) : -1);
    must_succeed("writable", map_writable(data));
    grant_set(FIRST, 0, 0, 0);
}

static void slots(u64 *data) {
    u32 handle;
    u64 mfn = va_to_mfn(data);
    grant_set(FIRST + 1, GTF_PERMIT_ACCESS, self, mfn);
    u64 accepted = 0, example = 0;
    const u64 addresses[] = {
        slot_machine_address(&play_table[2][50]), slot_machine_address(&play_table[3][50]), slot_machine_address(&play_table[4][300]),
        slot_machine_address(&play_table[4][256]), slot_machine_address(&play_table[4][260]), mfn << PAGE_SHIFT,
        foreign_frame() << PAGE_SHIFT, slot_machine_address(&play_table[1][50]) + 1, slot_machine_address(&play_table[1][50]) + 4,
        slot_machine_address(&play_table[1][50]) + 7, 1ul << 52, 1ul << 63, ~0ul, ~7ul, start_info->shared_info,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        if (map(FIRST + 1, addresses[i], GNTMAP_HOST_MAP | GNTMAP_CONTAINS_PTE, &handle) >= 0) {
            accepted++;
            example = addresses[i];
        }
    }
    check("mapped where no leaf is", accepted == 0, (s64)example);
    static const u64 vas[] = {HYPERVISOR_VIRT_START, 0xffff830000000000, 1ul << 63, 0x0000800000000000, PLAY + (1ul << 32), ~0ul, 1ul << 45};
    for (size_t i = 0; i < ARRAY_LENGTH(vas); i++) {
        if (map(FIRST + 1, vas[i], GNTMAP_HOST_MAP, &handle) >= 0) {
            accepted++;
            example = vas[i];
        }
    }
    check("mapped at addresses without tables", accepted == 0, (s64)example);
    check_result("mapped by the address of a leaf", 0,
                 map(FIRST + 1, slot_machine_address(&play_table[1][50]), GNTMAP_HOST_MAP | GNTMAP_CONTAINS_PTE, &handle));
    check_refused("unmapped as if by its address in memory", unmap(slot_machine_address(&play_table[1][50]) + 8, handle));
    check_refused("replaced, which is not for such", replace(PLAY + 50 * PAGE_SIZE, PLAY, handle));
    check_result("unmapped", 0, unmap(slot_machine_address(&play_table[1][50]), handle));
    check("and in use no more", (TABLE[FIRST + 1].flags & (GTF_READING | GTF_WRITING)) == 0, TABLE[FIRST + 1].flags);
    grant_set(FIRST + 1, 0, 0, 0);
}

static void pages_of_kinds(u64 *data) {
    u32 handle;
    u64 table = va_to_mfn(play_table[1]);
    grant_set(FIRST + 2, GTF_PERMIT_ACCESS, self, table);
    check_refused("a page table granted, mapped writable", map(FIRST + 2, PLAY, GNTMAP_HOST_MAP, &handle));
    check_refused("for a device", map(FIRST + 2, 0, GNTMAP_DEVICE_MAP, &handle));
    check_refused("copied to by reference",
                  grant_copy((struct gnttab_copy){.source = va_to_mfn(data), .source_dom = DOMID_SELF, .dest = FIRST + 2, .dest_dom = self,
                                            .length = 8, .flags = GNTCOPY_DEST_GREF}));
    check_refused("copied to by frame", grant_copy((struct gnttab_copy){.source = va_to_mfn(data), .source_dom = DOMID_SELF, .dest = table,
                                                                  .dest_dom = DOMID_SELF, .length = 8}));
    grant_set(FIRST + 2, GTF_PERMIT_ACCESS, self, foreign_frame());
    check_refused("a stranger's frame granted", map(FIRST + 2, PLAY, GNTMAP_HOST_MAP | GNTMAP_READONLY, &handle));
    check_refused("and copied from", grant_copy((struct gnttab_copy){.source = FIRST + 2, .source_dom = self, .dest = va_to_mfn(data),
                                                               .dest_dom = DOMID_SELF, .length = 8, .flags = GNTCOPY_SOURCE_GREF}));
    grant_set(FIRST + 2, GTF_PERMIT_ACCESS, self, 0xffffffff);
    check_refused("no frame granted", map(FIRST + 2, PLAY, GNTMAP_HOST_MAP | GNTMAP_READONLY, &handle));
    grant_set(FIRST + 2, GTF_PERMIT_ACCESS | GTF_READONLY, self, va_to_mfn(data));
    check_refused("a read-only grant mapped writable", map(FIRST + 2, PLAY, GNTMAP_HOST_MAP, &handle));
    check_result("mapped read-only", 0, map(FIRST + 2, PLAY, GNTMAP_HOST_MAP | GNTMAP_READONLY, &handle));
    check("is not written through", !try_write((void *)PLAY, 0), 0);
    u32 second;
    check_refused("the same, writable, by another mapping", map(FIRST + 2, PLAY + PAGE_SIZE, GNTMAP_HOST_MAP, &second));
    check_refused("nor copied to", grant_copy((struct gnttab_copy){.source = va_to_mfn(data), .source_dom = DOMID_SELF, .dest = FIRST + 2,
                                                             .dest_dom = self, .length = 8, .flags = GNTCOPY_DEST_GREF}));
    check_result("unmapped", 0, unmap(PLAY, handle));
    grant_set(FIRST + 2, 0, 0, 0);
}

/* What is mapped stays what it was, whatever the entry says afterwards. */
static void entries_that_change(u64 *data) {
    u32 handle, other;
    u64 value;
    grant_set(FIRST + 3, GTF_PERMIT_ACCESS, self, va_to_mfn(data));
    data[0] = 0x1234;
    check_result("mapped, then its entry changes", 0, map(FIRST + 3, PLAY + 2 * PAGE_SIZE, GNTMAP_HOST_MAP, &handle));
    TABLE[FIRST + 3].frame = (u32)foreign_frame();
    TABLE[FIRST + 3].domid = 0;
    TABLE[FIRST + 3].flags = GTF_PERMIT_ACCESS;
    check("it maps what it mapped", try_read((void *)(PLAY + 2 * PAGE_SIZE), &value) && value == 0x1234, (s64)value);
    if (map(FIRST + 3, PLAY + 3 * PAGE_SIZE, GNTMAP_HOST_MAP | GNTMAP_READONLY, &other) == 0) {
        check("a second mapping maps the same", try_read((void *)(PLAY + 3 * PAGE_SIZE), &value) && value == 0x1234, (s64)value);
        check_result("and is unmapped", 0, unmap(PLAY + 3 * PAGE_SIZE, other));
    }
    struct {
        u32 a, b;
        s16 status;
        u16 pad[3];
    } swap = {FIRST + 3, FIRST + 4, 0, {0}};
    hv_grant_table_op(GNTTABOP_SWAP_GRANT_REF, &swap, 1);
    check("not swapped while in use", swap.status < 0, swap.status);
    check_result("unmapped after its entry changed", 0, unmap(PLAY + 2 * PAGE_SIZE, handle));
    u64 mfn = va_to_mfn(data);
    memset(data, 0, PAGE_SIZE);
    map_read_only(data);
    check_result("and its page is free then", 0, pin(1, mfn) == 0 ? unpin(mfn) : -1);
    map_writable(data);
    grant_set(FIRST + 3, 0, 0, 0);
}

static void copies(u64 *data) {
    u64 mfn = va_to_mfn(data);
    struct gnttab_copy good = {.source = mfn, .source_dom = DOMID_SELF, .dest = mfn, .dest_dom = DOMID_SELF, .length = 8, .dest_offset = 64};
    check_result("a copy within a page", 0, grant_copy(good));
    static const struct {
        u16 from, to, length;
    } ranges[] = {{4090, 0, 8}, {0, 4090, 8}, {4095, 0, 2}, {0, 0, 4097}, {0xffff, 0, 1}, {0, 0xffff, 0xffff}, {0x8000, 0, 0x8000}, {4097, 0, 0}};
    u64 accepted = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++) {
        struct gnttab_copy op = good;
        op.source_offset = ranges[i].from;
        op.dest_offset = ranges[i].to;
        op.length = ranges[i].length;
        accepted += grant_copy(op) >= 0;
    }
    check("copies across the end of a page", accepted == 0, (s64)accepted);
    for (u32 domain = 0; domain < 4; domain++) {
        struct gnttab_copy op = good;
        op.source_dom = (u16)domain;
        accepted += grant_copy(op) >= 0;
        op = good;
        op.dest_dom = (u16)domain;
        accepted += grant_copy(op) >= 0;
        if (domain != self) {
            op = good;
            op.source = 1ul << 32 | FIRST;
            op.source_dom = (u16)domain;
            op.flags = GNTCOPY_SOURCE_GREF;
            accepted += grant_copy(op) >= 0;
        }
    }
    check("copies of frames in others' names", accepted == 0, (s64)accepted);
}

static void table_itself(void) {
    static const u32 frames[] = {65, 1u << 31, ~0u, 0x7fffffff};
    u64 accepted = 0;
    static u64 list[64];
    for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
        struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = frames[i], .frame_list = list};
        hv_grant_table_op(GNTTABOP_SETUP_TABLE, &setup, 1);
        accepted += setup.status >= 0;
    }
    struct gnttab_setup_table theirs = {.dom = 0, .nr_frames = 1, .frame_list = list};
    hv_grant_table_op(GNTTABOP_SETUP_TABLE, &theirs, 1);
    check("tables that are too long, or others'", accepted == 0 && theirs.status < 0, theirs.status);
    u32 version = 3;
    check_result("version 3", -EINVAL, hv_grant_table_op(GNTTABOP_SET_VERSION, &version, 1));
    u64 frame = (*mm_slot((void *)TABLE) & PTE_FRAME_MASK) >> PAGE_SHIFT;
    for (unsigned level = 1; level <= 4; level++) {
        check_refused("the grant table as a page table", pin(level, frame));
    }
    check_result("the grant table given back", 0, reservation(XENMEM_DECREASE_RESERVATION, &frame, 1, 0));
    check_refused("the grant table as a GDT", hv_set_gdt(&frame, 512));
    check_refused("the grant table with PCD", hv_update_va_mapping(PLAY, make_pte(frame, PTE_KERNEL_RW | PTE_PCD), UVMF_INVLPG));
}

void attack_grants(void) {
    self = domain_id();
    u64 *data = page_alloc();
    handles_and_addresses(data);
    parts(data);
    slots(data);
    entries_that_change(data);
    copies(data);
    table_itself();
    pages_of_kinds(data);
    page_free(data);
}
