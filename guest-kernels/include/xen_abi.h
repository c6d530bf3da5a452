/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Xen's 64-bit PV ABI, as far as the kernels here use it: structures and numbers, no code.
 *
 * Written from the ABI's facts (the sections named are those of xen-pv-abi.md). Every structure is followed by an
 * assertion of its size; a field that a test of the hypervisor depends on has its offset asserted too.
 */
#ifndef XEN_ABI_H
#define XEN_ABI_H

#include "types.h"

#define ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has the ABI's size")
#define ASSERT_OFFSET(type, field, offset) \
    _Static_assert(offsetof(type, field) == (offset), #type "." #field " stands where the ABI says")

/* ---- 1: the address space ------------------------------------------------------------------------------------- */

#define HYPERVISOR_VIRT_START 0xffff800000000000ul
#define HYPERVISOR_VIRT_END 0xffff880000000000ul
/* The machine-to-physical table: one u64 a machine frame, readable by every guest. */
#define MACHINE_TO_PHYS ((const u64 *)HYPERVISOR_VIRT_START)

#define DOMID_SELF 0x7ff0
#define DOMID_IO 0x7ff1
#define DOMID_XEN 0x7ff2
#define DOMID_IDLE 0x7fff

/* ---- 3.1: start_info, at RSI on entry -------------------------------------------------------------------------- */

#define SIF_PRIVILEGED 1
#define SIF_INITDOMAIN 2
#define SIF_MOD_START_PFN 8

struct start_info {
    char magic[32];
    u64 nr_pages;
    u64 shared_info; /* machine address */
    u32 flags;
    u32 pad0;
    u64 store_mfn;
    u32 store_evtchn;
    u32 pad1;
    u64 console_mfn;
    u32 console_evtchn;
    u32 pad2;
    u64 pt_base;
    u64 nr_pt_frames;
    u64 mfn_list;
    u64 mod_start;
    u64 mod_len;
    char cmd_line[1024];
    u64 first_p2m_pfn;
    u64 nr_p2m_frames;
};
ASSERT_SIZE(struct start_info, 1168);
ASSERT_OFFSET(struct start_info, console_evtchn, 80);
ASSERT_OFFSET(struct start_info, cmd_line, 128);

/* ---- 3.2 to 3.5: the shared page, time, run state -------------------------------------------------------------- */

struct vcpu_time_info {
    u32 version; /* odd while the hypervisor writes */
    u32 pad0;
    u64 tsc_timestamp;
    u64 system_time;
    u32 tsc_to_system_mul;
    s8 tsc_shift;
    u8 flags;
    u8 pad1[2];
};
ASSERT_SIZE(struct vcpu_time_info, 32);

struct vcpu_info {
    u8 evtchn_upcall_pending;
    u8 evtchn_upcall_mask;
    u8 pad0[6];
    u64 evtchn_pending_sel;
    u64 cr2;
    u64 pad1;
    struct vcpu_time_info time;
};
ASSERT_SIZE(struct vcpu_info, 64);

#define EVENT_WORDS 64

struct shared_info {
    struct vcpu_info vcpu_info[32];
    u64 evtchn_pending[EVENT_WORDS];
    u64 evtchn_mask[EVENT_WORDS];
    u32 wc_version;
    u32 wc_sec;
    u32 wc_nsec;
    u32 wc_sec_hi;
    u64 arch[6];
};
ASSERT_SIZE(struct shared_info, 3136);
ASSERT_OFFSET(struct shared_info, evtchn_mask, 2560);
ASSERT_OFFSET(struct shared_info, wc_sec_hi, 3084);

enum { RUNSTATE_RUNNING, RUNSTATE_RUNNABLE, RUNSTATE_BLOCKED, RUNSTATE_OFFLINE, RUNSTATES };

struct runstate_info {
    s32 state;
    u32 pad;
    u64 state_entry_time;
    u64 time[RUNSTATES]; /* ns spent in each state */
};
ASSERT_SIZE(struct runstate_info, 48);

/* ---- 4.3: hypercall numbers ------------------------------------------------------------------------------------ */

enum hypercall {
    HC_SET_TRAP_TABLE = 0,
    HC_MMU_UPDATE = 1,
    HC_SET_GDT = 2,
    HC_STACK_SWITCH = 3,
    HC_SET_CALLBACKS = 4,
    HC_FPU_TASKSWITCH = 5,
    HC_PLATFORM_OP = 7,
    HC_SET_DEBUGREG = 8,
    HC_GET_DEBUGREG = 9,
    HC_UPDATE_DESCRIPTOR = 10,
    HC_MEMORY_OP = 12,
    HC_MULTICALL = 13,
    HC_UPDATE_VA_MAPPING = 14,
    HC_SET_TIMER_OP = 15,
    HC_XEN_VERSION = 17,
    HC_CONSOLE_IO = 18,
    HC_GRANT_TABLE_OP = 20,
    HC_VM_ASSIST = 21,
    HC_UPDATE_VA_MAPPING_OTHERDOMAIN = 22,
    HC_IRET = 23,
    HC_VCPU_OP = 24,
    HC_SET_SEGMENT_BASE = 25,
    HC_MMUEXT_OP = 26,
    HC_NMI_OP = 28,
    HC_SCHED_OP = 29,
    HC_CALLBACK_OP = 30,
    HC_EVENT_CHANNEL_OP = 32,
    HC_PHYSDEV_OP = 33,
    HC_HVM_OP = 34,
    HC_SYSCTL = 35,
    HC_DOMCTL = 36,
    HC_KEXEC_OP = 37,
    HC_XENPMU_OP = 40,
    HC_MCA = 48,
    HC_UNKNOWN = 63, /* numbers end at 55 */
};

/* ---- 4.2: errno values that kernels here compare with (results are negative) ------------------------------------- */

#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EIO 5
#define ENXIO 6
#define EAGAIN 11
#define EACCES 13
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define EINVAL 22
#define ENOSPC 28
#define ENOSYS 38
#define ETIME 62
#define ETIMEDOUT 110

/* ---- 5, 6: page tables ----------------------------------------------------------------------------------------- */

#define PTE_P 0x001ul
#define PTE_RW 0x002ul
#define PTE_U 0x004ul
#define PTE_PWT 0x008ul
#define PTE_PCD 0x010ul
#define PTE_A 0x020ul
#define PTE_D 0x040ul
#define PTE_PSE 0x080ul /* in a leaf: PAT */
#define PTE_G 0x100ul
#define PTE_NX (1ul << 63)
#define PTE_FRAME_MASK 0x000ffffffffff000ul

enum { MMU_NORMAL_PT_UPDATE, MMU_MACHPHYS_UPDATE, MMU_PT_UPDATE_PRESERVE_AD, MMU_PT_UPDATE_NO_TRANSLATE };

struct mmu_update {
    u64 ptr; /* machine address of the entry; the low 3 bits say which kind of update */
    u64 val;
};
ASSERT_SIZE(struct mmu_update, 16);

/* flags of update_va_mapping: 0 no flush, 1 flush the TLB, 2 only this page */
#define UVMF_NONE 0ul
#define UVMF_TLB_FLUSH 1ul
#define UVMF_INVLPG 2ul
#define UVMF_ALL 4ul /* on all vCPUs; else the address of a set of vCPUs, 0 = only here */

enum {
    MMUEXT_PIN_L1_TABLE = 0,
    MMUEXT_PIN_L4_TABLE = 3,
    MMUEXT_UNPIN_TABLE = 4,
    MMUEXT_NEW_BASEPTR = 5,
    MMUEXT_TLB_FLUSH_LOCAL = 6,
    MMUEXT_TLB_FLUSH_MULTI = 8,
    MMUEXT_INVLPG_MULTI = 9,
    MMUEXT_TLB_FLUSH_ALL = 10,
    MMUEXT_INVLPG_ALL = 11,
    MMUEXT_SET_LDT = 13,
    MMUEXT_NEW_USER_BASEPTR = 15,
    MMUEXT_CLEAR_PAGE = 16,
    MMUEXT_COPY_PAGE = 17,
    MMUEXT_MARK_SUPER = 19,
};

struct mmuext_op {
    u32 cmd;
    u32 pad;
    u64 arg1;
    u64 arg2;
};
ASSERT_SIZE(struct mmuext_op, 24);

enum { VMASST_ENABLE, VMASST_DISABLE };
#define VMASST_WRITABLE_PAGE_TABLES 2

/* ---- 7, 8: segments, traps, callbacks -------------------------------------------------------------------------- */

/* The hypervisor's flat selectors; a frame that interrupts the guest's kernel shows its CS with RPL 0. */
#define FLAT_CS 0xe033
#define FLAT_SS 0xe02b
#define FLAT_CS_KERNEL_FRAME (FLAT_CS & ~3)

#define RFLAGS_FIXED 0x2ul
#define RFLAGS_TF 0x100ul
#define RFLAGS_IF 0x200ul
#define RFLAGS_DF 0x400ul
#define RFLAGS_IOPL 0x3000ul
#define RFLAGS_NT 0x4000ul
#define RFLAGS_AC 0x40000ul

#define TRAP_DPL(dpl) (dpl)
#define TRAP_MASK_EVENTS 4

struct trap_info {
    u8 vector;
    u8 flags;
    u16 cs;
    u32 pad;
    u64 address; /* 0 ends the table */
};
ASSERT_SIZE(struct trap_info, 16);

enum { CALLBACKOP_REGISTER, CALLBACKOP_UNREGISTER };
enum { CALLBACKTYPE_EVENT = 0, CALLBACKTYPE_FAILSAFE = 1, CALLBACKTYPE_SYSCALL = 2 };
#define CALLBACKF_MASK_EVENTS 1

struct callback_register {
    u16 type;
    u16 flags;
    u32 pad;
    u64 address;
};
ASSERT_SIZE(struct callback_register, 16);

enum { SEGBASE_FS, SEGBASE_GS_USER, SEGBASE_GS_KERNEL };

#define PHYSDEVOP_SET_IOPL 6 /* argument: u32 iopl */

/* ---- 10: event channels ---------------------------------------------------------------------------------------- */

enum {
    EVTCHNOP_BIND_INTERDOMAIN = 0,
    EVTCHNOP_BIND_VIRQ = 1,
    EVTCHNOP_BIND_PIRQ = 2,
    EVTCHNOP_CLOSE = 3,
    EVTCHNOP_SEND = 4,
    EVTCHNOP_STATUS = 5,
    EVTCHNOP_ALLOC_UNBOUND = 6,
    EVTCHNOP_BIND_IPI = 7,
    EVTCHNOP_BIND_VCPU = 8,
    EVTCHNOP_UNMASK = 9,
    EVTCHNOP_RESET = 10,
    EVTCHNOP_INIT_CONTROL = 11,
    EVTCHNOP_EXPAND_ARRAY = 12,
    EVTCHNOP_SET_PRIORITY = 13,
};

#define VIRQ_TIMER 0

struct evtchn_bind_interdomain {
    u16 remote_dom;
    u16 pad;
    u32 remote_port;
    u32 local_port; /* out */
};
ASSERT_SIZE(struct evtchn_bind_interdomain, 12);

struct evtchn_bind_virq {
    u32 virq;
    u32 vcpu;
    u32 port; /* out */
};
ASSERT_SIZE(struct evtchn_bind_virq, 12);

struct evtchn_bind_pirq {
    u32 pirq;
    u32 flags; /* 1: will share */
    u32 port;  /* out */
};
ASSERT_SIZE(struct evtchn_bind_pirq, 12);

struct evtchn_bind_ipi {
    u32 vcpu;
    u32 port; /* out */
};
ASSERT_SIZE(struct evtchn_bind_ipi, 8);

struct evtchn_alloc_unbound {
    u16 dom;
    u16 remote_dom;
    u32 port; /* out */
};
ASSERT_SIZE(struct evtchn_alloc_unbound, 8);

struct evtchn_status {
    u16 dom;
    u16 pad;
    u32 port;
    u32 status; /* out: 0 closed, 1 unbound, 2 interdomain, 3 pirq, 4 virq, 5 ipi */
    u32 vcpu;
    union {
        u16 unbound_dom;
        struct {
            u16 dom;
            u16 pad;
            u32 port;
        } interdomain;
    } u;
};
ASSERT_SIZE(struct evtchn_status, 24);

/* ---- 11: scheduling and vCPUs ---------------------------------------------------------------------------------- */

enum { SCHEDOP_YIELD, SCHEDOP_BLOCK, SCHEDOP_SHUTDOWN, SCHEDOP_POLL, SCHEDOP_REMOTE_SHUTDOWN, SCHEDOP_SHUTDOWN_CODE, SCHEDOP_WATCHDOG };
enum { SHUTDOWN_POWEROFF = 0, SHUTDOWN_REBOOT = 1, SHUTDOWN_CRASH = 3 };

struct sched_poll {
    const u32 *ports;
    u32 nr_ports;
    u32 pad;
    u64 timeout; /* absolute system time in ns; 0 = none */
};
ASSERT_SIZE(struct sched_poll, 24);

enum {
    VCPUOP_INITIALISE = 0,
    VCPUOP_UP = 1,
    VCPUOP_DOWN = 2,
    VCPUOP_IS_UP = 3,
    VCPUOP_GET_RUNSTATE_INFO = 4,
    VCPUOP_REGISTER_RUNSTATE = 5,
    VCPUOP_SET_PERIODIC_TIMER = 6,
    VCPUOP_STOP_PERIODIC_TIMER = 7,
    VCPUOP_SET_SINGLESHOT_TIMER = 8,
    VCPUOP_STOP_SINGLESHOT_TIMER = 9,
    VCPUOP_REGISTER_VCPU_INFO = 10,
    VCPUOP_SEND_NMI = 11,
    VCPUOP_REGISTER_TIME = 13,
};

struct vcpu_set_singleshot_timer {
    u64 timeout_abs_ns;
    u32 flags;
    u32 pad;
};
ASSERT_SIZE(struct vcpu_set_singleshot_timer, 16);
#define VCPU_SSHOTTMR_FUTURE 1 /* a deadline that has passed is an error */

struct vcpu_register_vcpu_info {
    u64 mfn;
    u32 offset;
    u32 pad;
};
ASSERT_SIZE(struct vcpu_register_vcpu_info, 16);

/* ---- 3.6, 3.7: the state that another vCPU starts with ----------------------------------------------------------- */

struct cpu_user_regs {
    u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    u32 error_code, entry_vector;
    u64 rip;
    u16 cs, pad0;
    u8 saved_upcall_mask, pad1[3];
    u64 rflags, rsp;
    u16 ss, pad2[3];
    u16 es, pad3[3];
    u16 ds, pad4[3];
    u16 fs, pad5[3];
    u16 gs, pad6[3];
};
ASSERT_SIZE(struct cpu_user_regs, 200);
ASSERT_OFFSET(struct cpu_user_regs, rip, 128);

#define VGCF_IN_KERNEL 4ul

struct vcpu_guest_context {
    u8 fpu[512];
    u64 flags;
    struct cpu_user_regs user_regs;
    struct trap_info trap_ctxt[256];
    u64 ldt_base, ldt_ents;
    u64 gdt_frames[16], gdt_ents;
    u64 kernel_ss, kernel_sp;
    u64 ctrlreg[8]; /* [3]: machine address of the kernel's level-4 table, [1]: of the user's, 0 = none */
    u64 debugreg[8];
    u64 event_callback_eip, failsafe_callback_eip, syscall_callback_eip;
    u64 vm_assist;
    u64 fs_base, gs_base_kernel, gs_base_user;
};
ASSERT_SIZE(struct vcpu_guest_context, 5168);
ASSERT_OFFSET(struct vcpu_guest_context, trap_ctxt, 720);
ASSERT_OFFSET(struct vcpu_guest_context, ctrlreg, 4984);
ASSERT_OFFSET(struct vcpu_guest_context, fs_base, 5144);

/* ---- 12: grants ------------------------------------------------------------------------------------------------ */

#define GTF_PERMIT_ACCESS 1
#define GTF_ACCEPT_TRANSFER 2
#define GTF_TRANSITIVE 3
#define GTF_READONLY 4
#define GTF_READING 8
#define GTF_WRITING 16
#define GTF_SUB_PAGE 256
#define GTF_TRANSFER_COMMITTED 4
#define GTF_TRANSFER_COMPLETED 8

#define GRANT_RESERVED_ENTRIES 8 /* for the toolstack: 0 is the console's page, 1 xenstore's */

struct grant_entry {
    u16 flags;
    u16 domid;
    u32 frame;
};
ASSERT_SIZE(struct grant_entry, 8);

/* Version 2; a u16 of status for each stands in frames of its own. */
struct grant_entry_v2 {
    u16 flags;
    u16 domid;
    union {
        struct {
            u16 offset, length;
        } part;
        u16 origin_domid;
    };
    u64 frame; /* or the reference that is passed on */
};
ASSERT_SIZE(struct grant_entry_v2, 16);

enum {
    GNTTABOP_MAP_GRANT_REF = 0,
    GNTTABOP_UNMAP_GRANT_REF = 1,
    GNTTABOP_SETUP_TABLE = 2,
    GNTTABOP_TRANSFER = 4,
    GNTTABOP_COPY = 5,
    GNTTABOP_QUERY_SIZE = 6,
    GNTTABOP_UNMAP_AND_REPLACE = 7,
    GNTTABOP_SET_VERSION = 8,
    GNTTABOP_GET_STATUS_FRAMES = 9,
    GNTTABOP_GET_VERSION = 10,
    GNTTABOP_SWAP_GRANT_REF = 11,
    GNTTABOP_CACHE_FLUSH = 12,
};

#define GNTMAP_DEVICE_MAP 1
#define GNTMAP_HOST_MAP 2
#define GNTMAP_READONLY 4
#define GNTMAP_CONTAINS_PTE 16

/* statuses */
#define GNTST_GENERAL_ERROR (-1)
#define GNTST_BAD_DOMAIN (-2)
#define GNTST_BAD_GNTREF (-3)
#define GNTST_BAD_HANDLE (-4)
#define GNTST_PERMISSION_DENIED (-8)
#define GNTST_BAD_PAGE (-9)
#define GNTST_BAD_COPY_ARG (-10)

struct gnttab_map_grant_ref {
    u64 host_addr;
    u32 flags;
    u32 ref;
    u16 dom;
    s16 status; /* out */
    u32 handle; /* out */
    u64 dev_bus_addr;
};
ASSERT_SIZE(struct gnttab_map_grant_ref, 32);

struct gnttab_unmap_grant_ref {
    u64 host_addr;
    u64 dev_bus_addr;
    u32 handle;
    s16 status; /* out */
    u16 pad;
};
ASSERT_SIZE(struct gnttab_unmap_grant_ref, 24);

struct gnttab_setup_table {
    u16 dom;
    u16 pad0;
    u32 nr_frames;
    s16 status; /* out */
    u16 pad1[3];
    u64 *frame_list;
};
ASSERT_SIZE(struct gnttab_setup_table, 24);
ASSERT_OFFSET(struct gnttab_setup_table, frame_list, 16);

#define GNTCOPY_SOURCE_GREF 1
#define GNTCOPY_DEST_GREF 2

struct gnttab_copy {
    u64 source; /* a reference or a frame */
    u16 source_dom;
    u16 source_offset;
    u32 pad0;
    u64 dest;
    u16 dest_dom;
    u16 dest_offset;
    u32 pad1;
    u16 length;
    u16 flags;
    s16 status; /* out */
    u16 pad2;
};
ASSERT_SIZE(struct gnttab_copy, 40);
ASSERT_OFFSET(struct gnttab_copy, status, 36);

struct gnttab_transfer {
    u64 mfn;
    u16 domid;
    u16 pad0;
    u32 ref;
    s16 status; /* out */
    u16 pad1[3];
};
ASSERT_SIZE(struct gnttab_transfer, 24);

struct gnttab_get_status_frames {
    u32 nr_frames;
    u16 dom;
    s16 status; /* out */
    u64 *frame_list;
};
ASSERT_SIZE(struct gnttab_get_status_frames, 16);

/* ---- 13: memory ------------------------------------------------------------------------------------------------ */

enum {
    XENMEM_INCREASE_RESERVATION = 0,
    XENMEM_DECREASE_RESERVATION = 1,
    XENMEM_MAXIMUM_RAM_PAGE = 2,
    XENMEM_CURRENT_RESERVATION = 3,
    XENMEM_POPULATE_PHYSMAP = 6,
    XENMEM_MEMORY_MAP = 9,
    XENMEM_EXCHANGE = 11,
    XENMEM_MACHPHYS_MAPPING = 12,
};

struct xen_memory_reservation {
    u64 extent_start; /* address of a list of frames */
    u64 nr_extents;
    u32 extent_order;
    u32 mem_flags;
    u16 domid;
    u16 pad[3];
};
ASSERT_SIZE(struct xen_memory_reservation, 32);

/* ---- 4.4: multicall -------------------------------------------------------------------------------------------- */

struct multicall_entry {
    u64 op;
    s64 result;
    u64 args[6];
};
ASSERT_SIZE(struct multicall_entry, 64);

/* ---- 14: version and features ---------------------------------------------------------------------------------- */

enum {
    XENVER_VERSION = 0,
    XENVER_EXTRAVERSION = 1,
    XENVER_CAPABILITIES = 3,
};

enum { CONSOLEIO_WRITE, CONSOLEIO_READ };

/* ---- 15: rings ------------------------------------------------------------------------------------------------- */

#define CONSOLE_IN_SIZE 1024
#define CONSOLE_OUT_SIZE 2048

struct console_ring {
    char in[CONSOLE_IN_SIZE];
    char out[CONSOLE_OUT_SIZE];
    u32 in_cons, in_prod;
    u32 out_cons, out_prod;
};
ASSERT_SIZE(struct console_ring, 3088);

#define XENSTORE_RING_SIZE 1024
#define XENSTORE_PAYLOAD_MAX 4096

struct xenstore_ring {
    char req[XENSTORE_RING_SIZE];
    char rsp[XENSTORE_RING_SIZE];
    u32 req_cons, req_prod;
    u32 rsp_cons, rsp_prod;
};
ASSERT_SIZE(struct xenstore_ring, 2064);

enum xenstore_type {
    XS_DIRECTORY = 1,
    XS_READ = 2,
    XS_WATCH = 4,
    XS_UNWATCH = 5,
    XS_WRITE = 11,
    XS_RM = 13,
    XS_SET_PERMS = 14,
    XS_WATCH_EVENT = 15,
    XS_ERROR = 16,
};

struct xenstore_header {
    u32 type;
    u32 req_id;
    u32 tx_id;
    u32 len;
};
ASSERT_SIZE(struct xenstore_header, 16);

#endif
