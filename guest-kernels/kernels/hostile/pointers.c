/* SPDX-License-Identifier: Apache-2.0 */
/* Every pointer argument of every hypercall, with every kind of address that a guest must not pass. */
#include "console.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"

/* The last words of a page behind which nothing is mapped, and nowhere at all; set up below. */
static char *page_end;

enum { FIXED = 14 };
static u64 bad[FIXED + 4] = {
    0x0000800000000000,          /* the first address that is not canonical */
    0x0000800000000000 - 4,      /* across that */
    0xffff7fffffffffff,          /* not canonical */
    1ul << 63,                   /* XSA-279 */
    HYPERVISOR_VIRT_START,       /* the M2P, which can be read */
    HYPERVISOR_VIRT_START + 0x100000,
    HYPERVISOR_VIRT_START - 4,   /* into it from below */
    HYPERVISOR_VIRT_START + (1ul << 39), /* the hypervisor's own */
    0xffff830000000000, 0xffff82d080200000, HYPERVISOR_VIRT_END - 4,
    ~0ul, ~0ul - 3, ~0ul - 15,   /* round the end of the address space */
};

struct pointer_call {
    const char *name;
    s64 (*call)(u64 pointer);
};

static union {
    u64 words[64];
    char bytes[512];
    struct mmu_update update;
    struct xen_memory_reservation reservation;
    struct sched_poll poll;
    struct gnttab_setup_table setup;
} args;

static void *cleared(void) {
    return memset(&args, 0, sizeof args);
}

#define CALL(function, ...) \
    static s64 function(u64 p) { return hypercall_any(__VA_ARGS__); }

CALL(p_trap_table, HC_SET_TRAP_TABLE, p, 0, 0, 0, 0)
CALL(p_mmu_update, HC_MMU_UPDATE, p, 1, 0, DOMID_SELF, 0)
CALL(p_set_gdt, HC_SET_GDT, p, 1, 0, 0, 0)
CALL(p_multicall, HC_MULTICALL, p, 1, 0, 0, 0)
CALL(p_mmuext, HC_MMUEXT_OP, p, 1, 0, DOMID_SELF, 0)
CALL(p_increase, HC_MEMORY_OP, XENMEM_INCREASE_RESERVATION, p, 0, 0, 0)
CALL(p_decrease, HC_MEMORY_OP, XENMEM_DECREASE_RESERVATION, p, 0, 0, 0)
CALL(p_populate, HC_MEMORY_OP, XENMEM_POPULATE_PHYSMAP, p, 0, 0, 0)
CALL(p_exchange, HC_MEMORY_OP, XENMEM_EXCHANGE, p, 0, 0, 0)
CALL(p_current, HC_MEMORY_OP, XENMEM_CURRENT_RESERVATION, p, 0, 0, 0)
CALL(p_memory_map, HC_MEMORY_OP, XENMEM_MEMORY_MAP, p, 0, 0, 0)
CALL(p_machphys, HC_MEMORY_OP, XENMEM_MACHPHYS_MAPPING, p, 0, 0, 0)
CALL(p_extraversion, HC_XEN_VERSION, 1, p, 0, 0, 0)
CALL(p_compile_info, HC_XEN_VERSION, 2, p, 0, 0, 0)
CALL(p_capabilities, HC_XEN_VERSION, 3, p, 0, 0, 0)
CALL(p_changeset, HC_XEN_VERSION, 4, p, 0, 0, 0)
CALL(p_parameters, HC_XEN_VERSION, 5, p, 0, 0, 0)
CALL(p_features, HC_XEN_VERSION, 6, p, 0, 0, 0)
CALL(p_handle, HC_XEN_VERSION, 8, p, 0, 0, 0)
CALL(p_command_line, HC_XEN_VERSION, 9, p, 0, 0, 0)
CALL(p_console, HC_CONSOLE_IO, 0, 16, p, 0, 0)
CALL(p_grant_map, HC_GRANT_TABLE_OP, GNTTABOP_MAP_GRANT_REF, p, 1, 0, 0)
CALL(p_grant_unmap, HC_GRANT_TABLE_OP, GNTTABOP_UNMAP_GRANT_REF, p, 1, 0, 0)
CALL(p_grant_setup, HC_GRANT_TABLE_OP, GNTTABOP_SETUP_TABLE, p, 1, 0, 0)
CALL(p_grant_transfer, HC_GRANT_TABLE_OP, GNTTABOP_TRANSFER, p, 1, 0, 0)
CALL(p_grant_copy, HC_GRANT_TABLE_OP, GNTTABOP_COPY, p, 1, 0, 0)
CALL(p_grant_query, HC_GRANT_TABLE_OP, GNTTABOP_QUERY_SIZE, p, 1, 0, 0)
CALL(p_grant_replace, HC_GRANT_TABLE_OP, GNTTABOP_UNMAP_AND_REPLACE, p, 1, 0, 0)
CALL(p_grant_version, HC_GRANT_TABLE_OP, GNTTABOP_SET_VERSION, p, 1, 0, 0)
CALL(p_grant_status, HC_GRANT_TABLE_OP, 9, p, 1, 0, 0)
CALL(p_grant_get_version, HC_GRANT_TABLE_OP, 10, p, 1, 0, 0)
CALL(p_grant_swap, HC_GRANT_TABLE_OP, GNTTABOP_SWAP_GRANT_REF, p, 1, 0, 0)
CALL(p_grant_flush, HC_GRANT_TABLE_OP, GNTTABOP_CACHE_FLUSH, p, 1, 0, 0)
CALL(p_vcpu_initialise, HC_VCPU_OP, VCPUOP_INITIALISE, 0, p, 0, 0)
CALL(p_vcpu_runstate, HC_VCPU_OP, VCPUOP_REGISTER_RUNSTATE, 0, p, 0, 0)
CALL(p_vcpu_periodic, HC_VCPU_OP, VCPUOP_SET_PERIODIC_TIMER, 0, p, 0, 0)
CALL(p_vcpu_timer, HC_VCPU_OP, VCPUOP_SET_SINGLESHOT_TIMER, 0, p, 0, 0)
CALL(p_vcpu_info, HC_VCPU_OP, VCPUOP_REGISTER_VCPU_INFO, 0, p, 0, 0)
CALL(p_vcpu_time, HC_VCPU_OP, VCPUOP_REGISTER_TIME, 0, p, 0, 0)
CALL(p_poll, HC_SCHED_OP, SCHEDOP_POLL, p, 0, 0, 0)
CALL(p_shutdown, HC_SCHED_OP, SCHEDOP_SHUTDOWN, p, 0, 0, 0)
CALL(p_remote_shutdown, HC_SCHED_OP, SCHEDOP_REMOTE_SHUTDOWN, p, 0, 0, 0)
CALL(p_watchdog, HC_SCHED_OP, SCHEDOP_WATCHDOG, p, 0, 0, 0)
CALL(p_callback, HC_CALLBACK_OP, CALLBACKOP_REGISTER, p, 0, 0, 0)
CALL(p_nmi, HC_NMI_OP, 0, p, 0, 0, 0)
CALL(p_iopl, HC_PHYSDEV_OP, PHYSDEVOP_SET_IOPL, p, 0, 0, 0)
CALL(p_iobitmap, HC_PHYSDEV_OP, 7, p, 0, 0, 0)
CALL(p_sysctl, HC_SYSCTL, p, 0, 0, 0, 0)
CALL(p_domctl, HC_DOMCTL, p, 0, 0, 0, 0)
CALL(p_platform, HC_PLATFORM_OP, p, 0, 0, 0, 0)

static s64 p_pdone(u64 p) {
    struct mmu_update *update = cleared();
    update->ptr = slot_machine_address(&play_table[1][5]);
    return hypercall_any(HC_MMU_UPDATE, (u64)update, 1, p, DOMID_SELF, 0);
}

static s64 p_mmuext_pdone(u64 p) {
    u64 *op = cleared();
    op[0] = MMUEXT_TLB_FLUSH_LOCAL;
    return hypercall_any(HC_MMUEXT_OP, (u64)op, 1, p, DOMID_SELF, 0);
}

static s64 p_vcpu_set(u64 p) {
    return mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, p);
}

static s64 p_vcpu_set_page(u64 p) {
    return mmuext(MMUEXT_INVLPG_MULTI, PLAY, p);
}

/* Pointers in structures. */
static s64 p_extents(u64 p) {
    struct xen_memory_reservation *r = cleared();
    *r = (struct xen_memory_reservation){.extent_start = p, .nr_extents = 1, .domid = DOMID_SELF};
    s64 result = hypercall_any(HC_MEMORY_OP, XENMEM_DECREASE_RESERVATION, (u64)r, 0, 0, 0);
    return result == 0 ? -EFAULT : result; /* "none done" is an answer too */
}

static s64 p_extents_out(u64 p) {
    struct xen_memory_reservation *r = cleared();
    *r = (struct xen_memory_reservation){.extent_start = p, .nr_extents = 1, .domid = DOMID_SELF};
    s64 result = hypercall_any(HC_MEMORY_OP, XENMEM_POPULATE_PHYSMAP, (u64)r, 0, 0, 0);
    return result == 0 ? -EFAULT : result;
}

static s64 p_ports(u64 p) {
    struct sched_poll *poll = cleared();
    *poll = (struct sched_poll){.ports = (u32 *)p, .nr_ports = 1, .timeout = 1};
    return hypercall_any(HC_SCHED_OP, SCHEDOP_POLL, (u64)poll, 0, 0, 0);
}

static s64 p_frame_list(u64 p) {
    struct gnttab_setup_table *setup = cleared();
    *setup = (struct gnttab_setup_table){.dom = DOMID_SELF, .nr_frames = 1, .frame_list = (u64 *)p};
    s64 result = hypercall_any(HC_GRANT_TABLE_OP, GNTTABOP_SETUP_TABLE, (u64)setup, 1, 0, 0);
    return result < 0 ? result : setup->status;
}

static s64 p_multicalled(u64 p) {
    struct multicall_entry entry = {.op = HC_XEN_VERSION, .args = {5, p}};
    must_succeed("multicall", hypercall2(HC_MULTICALL, (u64)&entry, 1));
    return entry.result;
}

static const struct pointer_call calls[] = {
    {"set_trap_table", p_trap_table},
    {"mmu_update", p_mmu_update},
    {"mmu_update's count done", p_pdone},
    {"set_gdt", p_set_gdt},
    {"multicall", p_multicall},
    {"a call in a multicall", p_multicalled},
    {"mmuext_op", p_mmuext},
    {"mmuext_op's count done", p_mmuext_pdone},
    {"mmuext_op's vCPU set", p_vcpu_set},
    {"mmuext_op's vCPU set for a page", p_vcpu_set_page},
    {"increase_reservation", p_increase},
    {"decrease_reservation", p_decrease},
    {"decrease_reservation's extents", p_extents},
    {"populate_physmap", p_populate},
    {"populate_physmap's extents", p_extents_out},
    {"exchange", p_exchange},
    {"current_reservation", p_current},
    {"memory_map", p_memory_map},
    {"machphys_mapping", p_machphys},
    {"xen_version extraversion", p_extraversion},
    {"xen_version compile_info", p_compile_info},
    {"xen_version capabilities", p_capabilities},
    {"xen_version changeset", p_changeset},
    {"xen_version platform_parameters", p_parameters},
    {"xen_version get_features", p_features},
    {"xen_version guest_handle", p_handle},
    {"xen_version commandline", p_command_line},
    {"console_io", p_console},
    {"map_grant_ref", p_grant_map},
    {"unmap_grant_ref", p_grant_unmap},
    {"setup_table", p_grant_setup},
    {"setup_table's list", p_frame_list},
    {"transfer", p_grant_transfer},
    {"grant copy", p_grant_copy},
    {"query_size", p_grant_query},
    {"unmap_and_replace", p_grant_replace},
    {"grant set_version", p_grant_version},
    {"get_status_frames", p_grant_status},
    {"grant get_version", p_grant_get_version},
    {"swap_grant_ref", p_grant_swap},
    {"grant cache_flush", p_grant_flush},
    {"vcpu_op initialise", p_vcpu_initialise},
    {"vcpu_op register_runstate", p_vcpu_runstate},
    {"vcpu_op set_periodic_timer", p_vcpu_periodic},
    {"vcpu_op set_singleshot_timer", p_vcpu_timer},
    {"vcpu_op register_vcpu_info", p_vcpu_info},
    {"vcpu_op register_time_area", p_vcpu_time},
    {"poll", p_poll},
    {"poll's ports", p_ports},
    {"shutdown", p_shutdown},
    {"remote_shutdown", p_remote_shutdown},
    {"watchdog", p_watchdog},
    {"callback_op", p_callback},
    {"nmi_op", p_nmi},
    {"set_iopl", p_iopl},
    {"set_iobitmap", p_iobitmap},
    {"sysctl", p_sysctl},
    {"domctl", p_domctl},
    {"platform_op", p_platform},
};

/*
 * A reservation answers how many were done, and 0 for none, never an error number. Where the count of a batch cannot be
 * stored it is not, and the batch has been done.
 */
static bool may_answer_0(s64 (*call)(u64 pointer)) {
    return call == p_increase || call == p_decrease || call == p_populate || call == p_pdone || call == p_mmuext_pdone;
}

static void each_call(void) {
    for (size_t c = 0; c < ARRAY_LENGTH(calls); c++) {
        u64 accepted = 0, example = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
            /* A structure of two bytes ends before what is not mapped, and set_gdt(NULL) is no pointer. */
            s64 result = bad[i] != 0 ? calls[c].call(bad[i]) : -1;
            if (result > 0 || (result == 0 && !may_answer_0(calls[c].call))) {
                accepted++;
                example = bad[i];
            }
        }
        char name[80];
        snprintf(name, sizeof name, "bad addresses: %s", calls[c].name);
        check(name, accepted == 0, (s64)example);
    }
}

static void each_event_op(void) {
    u64 accepted = 0, example = 0;
    for (u32 cmd = 0; cmd <= 14; cmd++) {
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
            if (hypercall_any(HC_EVENT_CHANNEL_OP, cmd, bad[i], 0, 0, 0) >= 0) {
                accepted++;
                example = (u64)cmd << 56 | (bad[i] & ~0ul >> 8);
            }
        }
    }
    check("bad addresses: event_channel_op", accepted == 0, (s64)example);
}

/* What is read-only for the guest is read-only for what the hypervisor writes on its behalf. */
static void read_only_results(void) {
    const u64 *table = play_table[4];
    u64 before[64];
    memcpy(before, &table[300], sizeof before);
    u64 pointer = (u64)&table[300];
    static s64 (*const writers[])(u64) = {
        p_extraversion, p_compile_info, p_capabilities, p_changeset, p_parameters, p_features, p_handle, p_command_line,
        p_machphys, p_memory_map, p_pdone, p_mmuext_pdone, p_extents_out, p_frame_list, p_grant_setup, p_grant_query,
        p_grant_map, p_grant_unmap, p_grant_copy,
    };
    u64 accepted = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(writers); i++) {
        s64 result = writers[i](pointer);
        accepted += result > 0 || (result == 0 && !may_answer_0(writers[i])) ? 1ul << i : 0;
    }
    hv_vcpu_op(VCPUOP_GET_RUNSTATE_INFO, 0, (void *)pointer);
    for (u32 cmd = 0; cmd <= 14; cmd++) {
        if (cmd != EVTCHNOP_CLOSE && cmd != EVTCHNOP_RESET) { /* the bytes there are a port, or a domain, too */
            hypercall_any(HC_EVENT_CHANNEL_OP, cmd, pointer, 0, 0, 0);
        }
    }
    check("results are not written into page tables", memcmp(before, &table[300], sizeof before) == 0 && accepted == 0,
          (s64)accepted);
    must_succeed("a page", hv_update_va_mapping(PLAY, make_pte(va_to_mfn(table), PTE_KERNEL_RO), UVMF_INVLPG));
    struct {
        u64 va;
    } area = {PLAY};
    hv_vcpu_op(VCPUOP_REGISTER_RUNSTATE, 0, &area);
    hv_sched_op(SCHEDOP_YIELD, NULL);
    hv_vcpu_op(VCPUOP_REGISTER_TIME, 0, &area);
    hv_sched_op(SCHEDOP_YIELD, NULL);
    area.va = HYPERVISOR_VIRT_START;
    hv_vcpu_op(VCPUOP_REGISTER_RUNSTATE, 0, &area);
    hv_vcpu_op(VCPUOP_REGISTER_TIME, 0, &area);
    hv_sched_op(SCHEDOP_YIELD, NULL);
    area.va = 1ul << 63;
    hv_vcpu_op(VCPUOP_REGISTER_RUNSTATE, 0, &area);
    hv_vcpu_op(VCPUOP_REGISTER_TIME, 0, &area);
    hv_sched_op(SCHEDOP_YIELD, NULL);
    check("nor is the run state", memcmp(before, &table[300], sizeof before) == 0, 0);
    area.va = (u64)&args;
    hv_vcpu_op(VCPUOP_REGISTER_RUNSTATE, 0, &area);
    must_succeed("no page", hv_update_va_mapping(PLAY, 0, UVMF_INVLPG));
}

/* XSA-122: what the hypervisor returns is written wholly, with nothing of its own behind the end. */
static void full_results(void) {
    static const struct {
        u32 cmd, size;
    } strings[] = {{1, 16}, {3, 1024}, {4, 64}};
    static char buffer[1040];
    for (size_t i = 0; i < ARRAY_LENGTH(strings); i++) {
        memset(buffer, 0x5a, sizeof buffer);
        s64 result = hv_xen_version(strings[i].cmd, buffer);
        size_t length = strnlen(buffer, strings[i].size);
        bool padded = result >= 0;
        for (size_t b = length; b < strings[i].size; b++) {
            padded &= buffer[b] == 0;
        }
        check("a string of xen_version is padded with zeros", padded && buffer[strings[i].size] == 0x5a, (s64)length);
    }
}

void attack_pointers(void) {
    char *page = (char *)PLAY;
    must_succeed("a page", hv_update_va_mapping(PLAY, make_pte(mfn_of_pfn(start_info->nr_pages / 2), PTE_KERNEL_RW), UVMF_INVLPG));
    page_end = page + PAGE_SIZE;
    memset(page, 0, PAGE_SIZE);
    bad[FIXED] = (u64)page_end;       /* nothing there */
    bad[FIXED + 1] = (u64)page_end - 1; /* all but the first byte */
    bad[FIXED + 2] = 0x1000;          /* low memory */
    bad[FIXED + 3] = 0xffff880000000000;
    each_call();
    each_event_op();
    must_succeed("no page", hv_update_va_mapping(PLAY, 0, UVMF_INVLPG));
    read_only_results();
    full_results();
}
