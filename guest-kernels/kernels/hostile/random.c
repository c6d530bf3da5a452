/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random hypercalls. Every value is drawn from what could matter: frames of a small arena that is pages, tables and
 * descriptors in turn, their neighbours, strangers' frames, flags in any combination, addresses near the ends of pages,
 * and pure noise. The generator alone decides, so a seed makes the same calls again.
 *
 * One rule keeps this kernel alive: a frame that it needs itself (vital) is never offered for something that may be done
 * to it. What may not be done to it may be tried.
 */
#include "console.h"
#include "events.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

#define ARENA_PAGES 48
#define ARENA (PLAY + 64 * PAGE_SIZE)

static u64 arena[ARENA_PAGES];
static u64 state;

/* Another domain in league with this one, if there is one. */
static struct {
    u16 domain;
    const u64 *frames;
    unsigned count;
} league;

static u64 noise(void) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

static u64 below(u64 n) {
    return (noise() >> 11) % n;
}

static bool one_in(u64 n) {
    return below(n) == 0;
}

/* Frames of the initial mapping are this kernel's code, data, stack and tables. */
static bool vital(u64 mfn) {
    return is_mine(mfn) && mfn_of_pfn(MACHINE_TO_PHYS[mfn]) == mfn && mm_slot(pfn_to_va(MACHINE_TO_PHYS[mfn])) != NULL;
}

static u64 absurd(void) {
    switch (below(8)) {
    case 0:
        return below(64);
    case 1:
        return ~below(64);
    case 2:
        return 1ul << below(64);
    case 3:
        return (1ul << below(64)) - 1;
    case 4:
        return (1ul << below(64)) + below(64);
    case 5:
        return HYPERVISOR_VIRT_START + (noise() & 0xfffffffffff);
    case 6:
        return noise() >> below(64);
    default:
        return noise();
    }
}

/* A frame to which anything may be done. */
static u64 frame(void) {
    for (;;) {
        u64 mfn;
        switch (below(10)) {
        case 0:
            mfn = below(machine_frames());
            break;
        case 1:
            mfn = absurd();
            break;
        case 2:
            mfn = league.count != 0 ? league.frames[below(league.count)] : foreign_frame() - below(4);
            break;
        case 3:
            mfn = arena[below(ARENA_PAGES)] + below(3) - 1;
            break;
        default:
            mfn = arena[below(ARENA_PAGES)];
        }
        if (!vital(mfn) && !is_shared_with_me(mfn)) {
            return mfn;
        }
    }
}

/* Who may map a grant, and whose grants are mapped. */
static u16 partner(void) {
    return league.count != 0 && one_in(2) ? league.domain : domain_id();
}

/* A frame to which nothing can be done, as long as the hypervisor is right. */
static u64 protected_frame(void) {
    return one_in(2) ? va_to_mfn(play_table[1 + below(4)]) : va_to_mfn((void *)start_info->pt_base);
}

static u64 flags(void) {
    static const u64 usual[] = {PTE_KERNEL_RW, PTE_KERNEL_RO, PTE_TABLE, PTE_P | PTE_U, 0, PTE_KERNEL_RW | PTE_NX};
    u64 f = usual[below(ARRAY_LENGTH(usual))];
    if (one_in(6)) {
        f ^= 1ul << below(12);
    }
    if (one_in(16)) {
        f ^= noise() & ~PTE_FRAME_MASK;
    }
    return f;
}

static u64 entry(void) {
    if (one_in(6)) {
        return 0;
    }
    return one_in(10) ? make_pte(protected_frame(), flags()) : make_pte(frame() & PTE_FRAME_MASK >> PAGE_SHIFT, flags());
}

static u64 arena_address(void) {
    u64 va = ARENA + below(ARENA_PAGES) * PAGE_SIZE;
    switch (below(4)) {
    case 0:
        return va + PAGE_SIZE - below(64);
    case 1:
        return va + below(PAGE_SIZE);
    default:
        return va + below(512) * 8;
    }
}

/* Argument structures: here the kernel can always put what it likes. */
static u64 args[512];
static u64 list[64];

static u64 pointer(void) {
    switch (below(12)) {
    case 0:
        return absurd();
    case 1:
    case 2:
        return arena_address();
    default:
        return (u64)args + below(4) * 8;
    }
}

/* As pointer(), for calls that write their results, or take from memory what could end this kernel. */
static u64 foreign_pointer(void) {
    return one_in(3) ? arena_address() : HYPERVISOR_VIRT_START + (noise() & 0x7fffffffffff);
}

static u64 count(u64 usual) {
    if (!one_in(20)) {
        return 1 + below(usual);
    }
    u64 n = absurd();
    return (u32)n > 4096 && (u32)n < 1u << 31 ? 4096 : n; /* long calls are another test's affair */
}

struct call {
    u64 number, a[5];
};

static u64 table_slot(void) {
    for (;;) {
        u64 ma;
        switch (below(8)) {
        case 0:
            ma = slot_machine_address(&play_table[4][272 + below(200)]);
            break;
        case 1:
            ma = slot_machine_address(&play_table[4][256 + below(16)]);
            break;
        case 2:
            ma = slot_machine_address(&play_table[3][8 + below(500)]);
            break;
        case 3:
            ma = slot_machine_address(&play_table[2][8 + below(500)]);
            break;
        case 4:
            ma = slot_machine_address(&play_table[1][64 + below(400)]);
            break;
        default:
            ma = (frame() << PAGE_SHIFT) + below(512) * 8;
        }
        if (!one_in(40)) {
            return ma;
        }
        if (!vital((ma ^ 4095) >> PAGE_SHIFT)) {
            return ma ^ 1ul << below(12);
        }
    }
}

static struct call mmu_update(void) {
    struct mmu_update *updates = (struct mmu_update *)args;
    u64 n = 1 + below(6);
    for (u64 i = 0; i < n; i++) {
        u64 command = below(16);
        if (command == MMU_MACHPHYS_UPDATE) {
            updates[i] = (struct mmu_update){frame() << PAGE_SHIFT | command, one_in(2) ? below(start_info->nr_pages) : absurd()};
        } else {
            updates[i] = (struct mmu_update){(table_slot() & ~7ul) | (command < 8 ? command : 0), entry()};
        }
    }
    memset(&updates[n], 0xff, sizeof *updates);
    return (struct call){HC_MMU_UPDATE, {(u64)args, one_in(20) ? absurd() : n, one_in(2) ? 0 : foreign_pointer(),
                                         one_in(10) ? noise() & 0xffffffff : DOMID_SELF}};
}

static struct call update_va_mapping(void) {
    u64 va = one_in(8) ? absurd() : arena_address();
    if (va < 1ul << 40) {
        va |= 1ul << 41; /* this kernel lives below */
    }
    u64 how = one_in(8) ? absurd() : below(8);
    return one_in(8) ? (struct call){HC_UPDATE_VA_MAPPING_OTHERDOMAIN, {va, entry(), how, one_in(2) ? DOMID_SELF : below(0x8000)}}
                     : (struct call){HC_UPDATE_VA_MAPPING, {va, entry(), how}};
}

static struct call mmuext_op(void) {
    struct mmuext_op *ops = (struct mmuext_op *)args;
    u64 n = 1 + below(3);
    for (u64 i = 0; i < n; i++) {
        u32 cmd = (u32)(one_in(3) ? below(24) : below(5));
        u64 arg1 = one_in(10) ? protected_frame() : frame();
        if (cmd == MMUEXT_NEW_BASEPTR) {
            arg1 = one_in(2) ? va_to_mfn((void *)start_info->pt_base) : foreign_frame() - below(8);
        } else if (cmd == MMUEXT_SET_LDT || cmd == MMUEXT_INVLPG_MULTI) {
            arg1 = one_in(2) ? arena_address() & ~(PAGE_SIZE - 1) : absurd();
        }
        ops[i] = (struct mmuext_op){.cmd = cmd, .arg1 = arg1, .arg2 = one_in(2) ? frame() : pointer()};
    }
    memset(&ops[n], 0xff, sizeof *ops);
    return (struct call){HC_MMUEXT_OP, {(u64)args, one_in(20) ? absurd() : n, one_in(2) ? 0 : foreign_pointer(),
                                        one_in(10) ? noise() & 0xffffffff : DOMID_SELF}};
}

static struct call memory_op(void) {
    static const u32 commands[] = {0, 1, 1, 6, 6, 2, 3, 4, 5, 9, 10, 11, 12, 14, 16, 17, 24, 28};
    struct xen_memory_reservation *r = (struct xen_memory_reservation *)args;
    u64 cmd = one_in(10) ? absurd() & ~63ul : 0;
    cmd |= commands[below(ARRAY_LENGTH(commands))];
    for (size_t i = 0; i < ARRAY_LENGTH(list); i++) {
        list[i] = frame();
    }
    for (unsigned i = 0; i < 2; i++) {
        r[i] = (struct xen_memory_reservation){
            .extent_start = one_in(4) ? foreign_pointer() : (u64)list,
            .nr_extents = one_in(10) ? absurd() : below(8),
            .extent_order = (u32)(one_in(10) ? absurd() : below(3)),
            .mem_flags = (u32)(one_in(4) ? noise() : 0),
            .domid = (u16)(one_in(10) ? noise() : DOMID_SELF),
        };
    }
    args[8] = one_in(4) ? absurd() : 0;
    return (struct call){HC_MEMORY_OP, {cmd, one_in(10) ? foreign_pointer() : (u64)args}};
}

static struct call grant_table_op(void) {
    u32 ref = (u32)(8 + below(32));
    if (one_in(2)) {
        own_grants[ref].domid = (u16)(one_in(4) ? noise() : DOMID_SELF);
        own_grants[ref].domid = one_in(3) ? own_grants[ref].domid : partner();
        own_grants[ref].frame = (u32)(one_in(8) ? protected_frame() : frame());
        own_grants[ref].flags = (u16)(one_in(6) ? noise() : GTF_PERMIT_ACCESS | (one_in(3) ? GTF_READONLY : 0));
    }
    static u32 handles;
    u64 cmd = below(14);
    u64 host = one_in(6) ? absurd() : arena_address() & ~(PAGE_SIZE - 1);
    u32 how = (u32)(one_in(8) ? noise() : below(8));
    if (how & GNTMAP_CONTAINS_PTE) {
        host = table_slot();
    }
    u16 domain = one_in(6) ? (u16)below(8) : partner();
    u64 handle = one_in(6) ? absurd() : handles > 0 ? below(handles) : 0;
    memset(args, 0, 64);
    switch (cmd) {
    case GNTTABOP_MAP_GRANT_REF:
        handles += handles < 4096;
        *(struct gnttab_map_grant_ref *)args =
            (struct gnttab_map_grant_ref){.host_addr = host, .flags = how, .ref = one_in(10) ? (u32)absurd() : ref, .dom = domain};
        break;
    case GNTTABOP_UNMAP_GRANT_REF:
    case GNTTABOP_UNMAP_AND_REPLACE:
        *(struct gnttab_unmap_grant_ref *)args = (struct gnttab_unmap_grant_ref){
            .host_addr = one_in(4) ? 0 : host,
            .dev_bus_addr = cmd == GNTTABOP_UNMAP_AND_REPLACE ? arena_address() & ~(PAGE_SIZE - 1) : one_in(2) ? 0 : frame() << PAGE_SHIFT,
            .handle = (u32)handle};
        break;
    case GNTTABOP_COPY:
        *(struct gnttab_copy *)args = (struct gnttab_copy){
            .source = one_in(2) ? ref : frame(), .dest = one_in(2) ? ref : frame(),
            .source_dom = one_in(2) ? domain : DOMID_SELF, .dest_dom = one_in(2) ? domain : DOMID_SELF,
            .source_offset = (u16)(one_in(8) ? noise() : below(2048)), .dest_offset = (u16)(one_in(8) ? noise() : below(2048)),
            .length = (u16)(one_in(8) ? noise() : below(2048)), .flags = (u16)below(4)};
        break;
    case GNTTABOP_SETUP_TABLE:
        *(struct gnttab_setup_table *)args = (struct gnttab_setup_table){
            .dom = DOMID_SELF, .nr_frames = (u32)(one_in(2) ? 1 : absurd()), .frame_list = (u64 *)(one_in(2) ? (u64)list : foreign_pointer())};
        break;
    case GNTTABOP_SWAP_GRANT_REF:
        args[0] = ref | (8 + below(32)) << 32;
        break;
    default:
        args[0] = absurd();
        args[1] = absurd();
    }
    return (struct call){HC_GRANT_TABLE_OP, {cmd, one_in(12) ? foreign_pointer() : (u64)args, one_in(20) ? absurd() & 0x8000000f : 1}};
}

static struct call event_channel_op(void) {
    u64 cmd = below(15);
    u32 *op = (u32 *)args;
    u32 first_own = start_info->console_evtchn > start_info->store_evtchn ? start_info->console_evtchn + 1 : start_info->store_evtchn + 1;
    for (unsigned i = 0; i < 6; i++) {
        op[i] = (u32)(one_in(4) ? absurd() : first_own + below(64));
        if (op[i] == start_info->console_evtchn || op[i] == start_info->store_evtchn) {
            op[i] = 0;
        }
    }
    u64 p = (u64)args;
    if (cmd == EVTCHNOP_ALLOC_UNBOUND || cmd == EVTCHNOP_STATUS) {
        *(u16 *)args = one_in(4) ? (u16)noise() : DOMID_SELF;
        ((u16 *)args)[1] = one_in(4) ? (u16)noise() : DOMID_SELF;
    } else if (cmd == EVTCHNOP_BIND_INTERDOMAIN) {
        *(u16 *)args = one_in(4) ? (u16)noise() : DOMID_SELF;
    } else if (cmd == EVTCHNOP_RESET) {
        *(u16 *)args = (u16)(domain_id() + 1 + below(100)); /* never ourselves: the console's port would go, too */
    } else if (cmd == EVTCHNOP_BIND_VIRQ) {
        op[1] = (u32)below(3);
    } else if (cmd == EVTCHNOP_INIT_CONTROL || cmd == EVTCHNOP_EXPAND_ARRAY) {
        args[0] = foreign_frame(); /* a good one would change how events come, which this runtime does not know */
    }
    return (struct call){HC_EVENT_CHANNEL_OP, {cmd, p}};
}

static struct call vcpu_op(void) {
    static const u32 commands[] = {0, 1, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 100};
    u64 vcpu = one_in(2) ? 0 : absurd();
    u64 cmd = commands[below(ARRAY_LENGTH(commands))];
    if (cmd == 1 && vcpu != 0) {
        cmd = 3;
    }
    args[0] = one_in(2) ? arena_address() : absurd();
    args[1] = noise();
    if (cmd == VCPUOP_SET_PERIODIC_TIMER) {
        args[0] |= 1ul << 40;
    }
    return (struct call){HC_VCPU_OP, {cmd, vcpu, one_in(4) ? foreign_pointer() : (u64)args}};
}

/* Not shutdown_code: it would say at the end that this domain crashed. */
static struct call sched_op(void) {
    static const u32 commands[] = {0, 3, 4, 7, 8, 77};
    u64 cmd = commands[below(ARRAY_LENGTH(commands))];
    args[0] = one_in(2) ? (u64)list : foreign_pointer();
    args[1] = one_in(4) ? absurd() : below(4);
    args[2] = 1; /* long past: poll comes back */
    if (cmd == SCHEDOP_REMOTE_SHUTDOWN) {
        args[0] = domain_id() + 1 + below(50);
    }
    return (struct call){HC_SCHED_OP, {cmd, (u64)args}};
}

static struct call registers(void) {
    args[0] = absurd();
    args[1] = absurd();
    switch (below(14)) {
    case 0:
        return (struct call){HC_SET_DEBUGREG, {one_in(4) ? absurd() : below(8), one_in(2) ? absurd() : arena_address()}};
    case 1:
        return (struct call){HC_GET_DEBUGREG, {one_in(4) ? absurd() : below(8)}};
    case 2:
        return (struct call){HC_SET_SEGMENT_BASE, {one_in(4) ? absurd() : below(4), absurd()}};
    case 3:
        return (struct call){HC_STACK_SWITCH, {absurd(), absurd()}};
    case 4: {
        /* Writable page tables would let scribble() take this kernel's own tables apart, which are mapped in the arena. */
        u64 type = one_in(2) ? below(40) : absurd();
        return (struct call){HC_VM_ASSIST, {below(3), (u32)type == VMASST_WRITABLE_PAGE_TABLES ? 0 : type}};
    }
    case 5:
        for (unsigned i = 0; i < 16; i++) {
            list[i] = one_in(10) ? protected_frame() : frame();
        }
        return (struct call){HC_SET_GDT, {one_in(8) ? foreign_pointer() : (u64)list, one_in(8) ? absurd() : below(7169)}};
    case 6:
        return (struct call){HC_UPDATE_DESCRIPTOR, {(one_in(8) ? protected_frame() : frame()) << PAGE_SHIFT | below(4096), noise()}};
    case 7:
        return (struct call){HC_PHYSDEV_OP, {one_in(2) ? below(40) : absurd(), pointer()}};
    case 8:
        return (struct call){HC_SET_TIMER_OP, {absurd()}};
    case 9:
        return (struct call){HC_SET_TRAP_TABLE, {foreign_pointer() | 1ul << 63}};
    case 10:
        return (struct call){HC_CALLBACK_OP, {2 + below(10), pointer()}};
    case 11:
        return (struct call){HC_XEN_VERSION, {below(12), foreign_pointer()}};
    case 12:
        return (struct call){HC_CONSOLE_IO, {below(4), count(64), pointer()}};
    default:
        return (struct call){HC_FPU_TASKSWITCH, {below(2)}};
    }
}

static struct call nonsense(void) {
    static const u64 numbers[] = {HC_SYSCTL, HC_DOMCTL, HC_PLATFORM_OP, HC_HVM_OP, HC_KEXEC_OP, HC_MCA, HC_XENPMU_OP, 27, 31, 38, 39, 41, 42};
    for (unsigned i = 0; i < 16; i++) {
        args[i] = absurd();
    }
    args[0] = below(100) | (one_in(2) ? 0x15ul << 32 : noise() << 32);
    return (struct call){one_in(4) ? 64 + noise() % 1000 : numbers[below(ARRAY_LENGTH(numbers))], {pointer(), pointer(), pointer(), pointer(), pointer()}};
}

static struct call draw(void) {
    switch (below(20)) {
    case 0 ... 4:
        return mmu_update();
    case 5 ... 7:
        return update_va_mapping();
    case 8 ... 10:
        return mmuext_op();
    case 11 ... 12:
        return memory_op();
    case 13 ... 15:
        return grant_table_op();
    case 16:
        return event_channel_op();
    case 17:
        return one_in(2) ? vcpu_op() : sched_op();
    case 18:
        return registers();
    default:
        return nonsense();
    }
}

/* One page of the arena gets new contents, if it is writable now: a table that could be, or noise. */
static void scribble(void) {
    u64 *page = (u64 *)(ARENA + below(ARENA_PAGES) * PAGE_SIZE);
    if (one_in(2)) {
        for (unsigned i = 0; i < 512; i++) {
            if (!try_write(&page[i], 0)) {
                return;
            }
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        try_write(&page[below(512)], one_in(8) ? noise() : entry());
    }
}

enum outcome { DONE, REFUSED, FAULTED, UNKNOWN, OUTCOMES };

static enum outcome make(const struct call *call) {
    s64 result = hypercall_any(call->number, call->a[0], call->a[1], call->a[2], call->a[3], call->a[4]);
    switch (result) {
    case -ENOSYS:
        return UNKNOWN;
    case -EFAULT:
        return FAULTED;
    default:
        return result < 0 ? REFUSED : DONE;
    }
}

/* Several at once: the calls of a multicall share one argument page, so all but the last find what the last one left. */
static enum outcome make_together(void) {
    static struct multicall_entry calls[4];
    u64 n = 1 + below(4);
    for (u64 i = 0; i < n; i++) {
        struct call call = draw();
        calls[i] = (struct multicall_entry){.op = call.number, .args = {call.a[0], call.a[1], call.a[2], call.a[3], call.a[4]}};
    }
    /* What stands in the argument page now was made for the last; for the others it would be arbitrary. */
    return make(&(struct call){HC_MULTICALL, {(u64)&calls[n - 1], 1}});
}

const u64 *random_prepare(void) {
    for (unsigned i = 0; i < ARENA_PAGES; i++) {
        arena[i] = mfn_of_pfn(spare_pfn());
        must_succeed("the arena", hv_update_va_mapping(ARENA + i * PAGE_SIZE, make_pte(arena[i], PTE_KERNEL_RW), UVMF_INVLPG));
    }
    return arena;
}

void random_league(u16 domain, const u64 *frames, unsigned count) {
    league.domain = domain;
    league.frames = frames;
    league.count = count;
}

void attack_at_random(u64 seed, u64 steps) {
    if (arena[0] == 0) {
        random_prepare();
    }
    state = seed * 0x9e3779b97f4a7c15 | 1;
    u64 outcomes[OUTCOMES] = {0};
    u64 start = time_now();
    for (u64 step = 1; step <= steps; step++) {
        if (one_in(8)) {
            scribble();
        }
        if (one_in(16)) {
            outcomes[make_together()]++;
        } else {
            struct call call = draw();
            outcomes[make(&call)]++;
        }
        if (steps >= 10 && step % (steps / 10) == 0) {
            printf("hostile: random: %lu of %lu\n", step, steps);
        }
    }
    u64 took = time_now() - start;
    hv_set_debugreg(7, 0);
    printf("hostile: random: seed=%lu steps=%lu done=%lu refused=%lu faulted=%lu unknown=%lu traps=%lu, %lu calls/s\n", seed, steps,
           outcomes[DONE], outcomes[REFUSED], outcomes[FAULTED], outcomes[UNKNOWN], traps_seen,
           steps * NS_PER_S / (took + 1));
    check("random: the calls came back", true, 0);
}
