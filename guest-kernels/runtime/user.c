/* SPDX-License-Identifier: Apache-2.0 */
#include "user.h"

#include "hypercall.h"
#include "mm.h"
#include "runtime.h"

#define L4_SLOT(va) ((va) >> 39 & 511)

void user_init(void *trap_stack_end) {
    /* Mapping nothing at the first address is enough to have the tables of the slot made. */
    must_succeed("mapping user space", mm_map((void *)USER_BASE, 0));

    u64 *user_l4 = page_alloc();
    const u64 *kernel_l4 = (const u64 *)start_info->pt_base;
    user_l4[L4_SLOT(USER_BASE)] = kernel_l4[L4_SLOT(USER_BASE)];

    u64 mfn = mm_make_read_only(user_l4);
    struct mmuext_op ops[] = {
        {.cmd = MMUEXT_PIN_L4_TABLE, .arg1 = mfn},
        {.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1 = mfn},
    };
    must_succeed("mmuext_op", hv_mmuext_op(ops, ARRAY_LENGTH(ops)));
    must_succeed("stack_switch", hv_stack_switch(FLAT_SS, (u64)trap_stack_end));
}
