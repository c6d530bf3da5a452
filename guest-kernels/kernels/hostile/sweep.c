/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every number of a hypercall and of an operation, with an address that is no good at each place where one can be; and what names
 * other domains as the owners of frames and tables. Whatever the answers are, the calls come back and nothing has changed.
 */
#include "console.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

#define OPERATIONS 48

/* A page that is writable, one that is not behind it, and behind that none. */
#define WRITABLE ((u8 *)(PLAY + 60 * PAGE_SIZE))
#define READ_ONLY (WRITABLE + PAGE_SIZE)
#define NOTHING (READ_ONLY + PAGE_SIZE)

static u64 addresses[40];
static unsigned address_count, first_readable; /* those before it cannot be read, not even their first bytes */

static void address(u64 va) {
    addresses[address_count++] = va;
}

static void collect_addresses(void) {
    static const u64 fixed[] = {
        0x1000,          1ul << 63, ~0ul, ~0ul - 7, ~0ul - 31, 0x0000800000000000, 0x0000800000000000 - 8,
        0xffff7fffffffffff, HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_START - 8, HYPERVISOR_VIRT_START + (1ul << 39),
        HYPERVISOR_VIRT_END - 8, 0xffff880000000000,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(fixed); i++) {
        address(fixed[i]);
    }
    address((u64)NOTHING);
    first_readable = address_count;
    address((u64)READ_ONLY);
    for (u64 before_end = 4; before_end <= 64; before_end *= 2) {
        address((u64)READ_ONLY - before_end);
        address((u64)NOTHING - before_end);
    }
    address((u64)READ_ONLY - 1);
    address((u64)NOTHING - 1);
    address((u64)play_table[4] + 2400);
}

/*
 * What would rightly end this kernel, put it to sleep for good, or change what the sweep stands on. An operation whose argument is
 * not read as an address is left out by its number; one that reads it, only where the address can be read.
 */
static bool is_left_out(u64 number, u64 operation, bool readable) {
    switch (number) {
    case HC_SET_CALLBACKS:
    case HC_UPDATE_VA_MAPPING:
    case HC_UPDATE_VA_MAPPING_OTHERDOMAIN:
    case HC_IRET:
        return true;
    case HC_SCHED_OP: /* a poll of no ports without a deadline sleeps for ever; a shutdown's reason may be any number */
        return operation == SCHEDOP_BLOCK ||
               (readable && (operation == SCHEDOP_SHUTDOWN || operation == SCHEDOP_POLL || operation == SCHEDOP_SHUTDOWN_CODE));
    case 6: /* its older form, which has the reason itself as its argument */
        return operation == SCHEDOP_BLOCK || operation == SCHEDOP_SHUTDOWN;
    case HC_VCPU_OP:
        return operation == VCPUOP_DOWN || operation == VCPUOP_SEND_NMI;
    default:
        return false;
    }
}

/* What a call of the sweep may rightly have changed: an entry of zeros in a multicall is set_trap_table(NULL), for one. */
static void restore(void) {
    traps_init();
    hv_set_debugreg(7, 0);
    hv_fpu_taskswitch(0);
    hv_set_gdt(NULL, 0);
    for (u64 type = 0; type < 64; type++) {
        hv_vm_assist(VMASST_DISABLE, type);
    }
    hv_vcpu_op(VCPUOP_STOP_PERIODIC_TIMER, 0, NULL);
    hv_vcpu_op(VCPUOP_STOP_SINGLESHOT_TIMER, 0, NULL);
    static u64 area[8];
    u64 where = (u64)area;
    hv_vcpu_op(VCPUOP_REGISTER_RUNSTATE, 0, &where);
}

static void every_call(void) {
    must_succeed("a page", hv_update_va_mapping((u64)READ_ONLY, make_pte(mfn_of_pfn(start_info->nr_pages / 2), PTE_KERNEL_RW), UVMF_INVLPG));
    memset(READ_ONLY, 0xff, PAGE_SIZE); /* as arguments: numbers of nothing */
    must_succeed("a page", hv_update_va_mapping((u64)READ_ONLY, make_pte(mfn_of_pfn(start_info->nr_pages / 2), PTE_KERNEL_RO), UVMF_INVLPG));
    must_succeed("a page", hv_update_va_mapping((u64)WRITABLE, make_pte(mfn_of_pfn(start_info->nr_pages / 2 + 1), PTE_KERNEL_RW), UVMF_INVLPG));
    memset(WRITABLE, 0xff, PAGE_SIZE);
    collect_addresses();
    u64 made = 0, refused = 0;
    for (u64 number = 0; number < 64; number++) {
        for (u64 operation = 0; operation < OPERATIONS; operation++) {
            memset(READ_ONLY - 128, 0xff, 128); /* results are written there, and would be arguments of the next */
            for (unsigned i = 0; i < address_count; i++) {
                u64 a = addresses[i];
                if (is_left_out(number, operation, i >= first_readable)) {
                    continue;
                }
                refused += hypercall_any(number, operation, a, 1, a, a) < 0;
                refused += hypercall_any(number, operation, 0, a, DOMID_SELF, a) < 0;
                refused += hypercall_any(number, a, operation, a, DOMID_SELF, a) < 0;
                refused += hypercall_any(number, a, 1, 0, DOMID_SELF, 0) < 0;
                made += 4;
            }
        }
        restore();
    }
    u64 changed = 0;
    for (u64 i = 0; i < PAGE_SIZE; i++) {
        changed += READ_ONLY[i] != 0xff;
    }
    char name[100];
    snprintf(name, sizeof name, "every call with every address (%lu calls, %lu refused) writes nothing that is read-only", made, refused);
    check(name, changed == 0 && refused > made / 2, (s64)changed);
    must_succeed("no page", hv_update_va_mapping((u64)READ_ONLY, 0, UVMF_INVLPG));
    must_succeed("no page", hv_update_va_mapping((u64)WRITABLE, 0, UVMF_INVLPG));
}

/* Frames and tables in another's name. */
static void other_owners(void) {
    static const u16 special[] = {DOMID_IO, DOMID_XEN, 0x7ff3, 0x7ff4, 0x7ff5, DOMID_IDLE, 0x8000, 0xffff};
    static const u64 io[] = {0xfee00, 0xa0, 0xf0, 0xfec00, 0xfd000, 1ul << 28};
    u64 slot = slot_machine_address(&play_table[1][70]), accepted = 0, example = 0;
    u16 self = domain_id();
    for (unsigned d = 0; d < 8 + ARRAY_LENGTH(special); d++) {
        u16 domain = d < 8 ? (u16)d : special[d - 8];
        if (domain == self) {
            continue;
        }
        for (unsigned f = 0; f <= ARRAY_LENGTH(io); f++) {
            u64 mfn = f == 0 ? foreign_frame() : io[f - 1];
            for (u64 flags = PTE_KERNEL_RO; flags <= PTE_KERNEL_RW; flags += PTE_KERNEL_RW - PTE_KERNEL_RO) {
                struct mmu_update update = {slot, make_pte(mfn, flags)};
                u64 table = (u64)(domain + 1) << 16;
                s64 worst = hypercall4(HC_MMU_UPDATE, (u64)&update, 1, 0, domain);
                s64 results[] = {
                    hypercall4(HC_MMU_UPDATE, (u64)&update, 1, 0, table | DOMID_SELF),
                    hypercall4(HC_MMU_UPDATE, (u64)&update, 1, 0, table | domain),
                    hypercall4(HC_UPDATE_VA_MAPPING_OTHERDOMAIN, PLAY + 70 * PAGE_SIZE, update.val, UVMF_NONE, domain),
                    hypercall4(HC_UPDATE_VA_MAPPING_OTHERDOMAIN, PLAY + 70 * PAGE_SIZE, update.val, UVMF_TLB_FLUSH | UVMF_ALL, domain),
                };
                for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
                    worst = results[i] >= 0 ? 0 : worst;
                }
                if (worst >= 0 || play_table[1][70] != 0) {
                    accepted++;
                    example = (u64)domain << 48 | mfn;
                    update_entry(slot, 0);
                }
            }
            for (u32 cmd = 0; cmd < 24; cmd++) {
                struct mmuext_op op = {.cmd = cmd, .arg1 = mfn, .arg2 = mfn};
                bool any_domain = cmd >= 6 && cmd <= 12; /* flushes: nothing is changed by them */
                if (!any_domain && hypercall4(HC_MMUEXT_OP, (u64)&op, 1, 0, domain) >= 0) {
                    accepted++;
                    example = (u64)domain << 48 | (u64)cmd << 40 | mfn;
                }
            }
        }
    }
    check("frames and tables in another's name", accepted == 0, (s64)example);
}

/* Well-formed calls of privileged domains, about each domain, this one included. */
static void privileges(void) {
    static u64 op[32];
    u64 accepted = 0, example = 0;
    for (u64 domain = 0; domain < 8; domain++) {
        for (u64 cmd = 0; cmd < 128; cmd++) {
            memset(op, 0, sizeof op);
            op[0] = 0x15ul << 32 | cmd;
            op[1] = domain;
            bool done = hypercall_any(HC_DOMCTL, (u64)op, 0, 0, 0, 0) >= 0 || hypercall_any(HC_SYSCTL, (u64)op, 0, 0, 0, 0) >= 0;
            op[0] = 0x03000001ul << 32 | cmd;
            done |= hypercall_any(HC_PLATFORM_OP, (u64)op, 0, 0, 0, 0) >= 0;
            if (done) {
                accepted++;
                example = domain << 32 | cmd;
            }
        }
    }
    check("calls of privileged domains about each domain", accepted == 0, (s64)example);
}

void attack_by_sweep(void) {
    every_call();
    other_owners();
    privileges();
}
