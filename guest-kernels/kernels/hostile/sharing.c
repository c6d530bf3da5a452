/* SPDX-License-Identifier: Apache-2.0 */
/* Grants, call by call, with whatever arguments. */
#include "kernels/hostile/hostile.h"
#include "runtime.h"

#define TABLE ((volatile struct grant_entry *)(PLAY + 30 * PAGE_SIZE))

volatile struct grant_entry *const own_grants = TABLE;

void sharing_init(void) {
    must_succeed("mapping the grant table",
                 hv_update_va_mapping((u64)TABLE, make_pte(grant_table_frame, PTE_KERNEL_RW), UVMF_INVLPG));
}

void grant_set(u32 ref, u16 flags, u16 domain, u64 frame) {
    TABLE[ref].flags = 0;
    TABLE[ref].domid = domain;
    TABLE[ref].frame = (u32)frame;
    TABLE[ref].flags = flags;
}

s64 grant_map_at(u16 domain, u32 ref, u64 host, u32 flags, u32 *handle) {
    struct gnttab_map_grant_ref op = {.host_addr = host, .flags = flags, .ref = ref, .dom = domain};
    s64 result = hv_grant_table_op(GNTTABOP_MAP_GRANT_REF, &op, 1);
    *handle = op.handle;
    return result < 0 ? result : op.status;
}

s64 grant_unmap_at(u64 host, u64 device, u32 handle) {
    struct gnttab_unmap_grant_ref op = {.host_addr = host, .dev_bus_addr = device, .handle = handle};
    s64 result = hv_grant_table_op(GNTTABOP_UNMAP_GRANT_REF, &op, 1);
    return result < 0 ? result : op.status;
}

s64 grant_copy(struct gnttab_copy op) {
    s64 result = hv_grant_table_op(GNTTABOP_COPY, &op, 1);
    return result < 0 ? result : op.status;
}
