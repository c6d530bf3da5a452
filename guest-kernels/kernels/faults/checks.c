/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that prepare something, look at more than one trap, or ask the hypervisor for what it must refuse. */
#include "events.h"
#include "hypercall.h"
#include "kernels/faults/probe.h"
#include "mm.h"
#include "runtime.h"

static void check_values(const char *name, const char *what, u64 expected, u64 got) {
    check_start(name);
    check_equal(what, expected, got);
    check_end();
}

/* ---- handlers that return ---------------------------------------------------------------------------------------- */

#define UD2_LENGTH 2

static void skip_ud2(struct frame *frame) {
    frame->rip += UD2_LENGTH;
}

/* The second trap then shows whether the return restored everything. */
static void check_skip(void) {
    probe_at_next_trap(skip_ud2);
    probe_check(probe_named("kernel iret: a handler skips the instruction"), KERNEL);
}

static unsigned inner_traps;

static void count_inner_trap(struct frame *frame) {
    (void)frame; /* a breakpoint: RIP is behind it already */
    inner_traps++;
}

static void trap_in_handler(struct frame *frame) {
    probe_at_next_trap(count_inner_trap);
    __asm__ volatile("int3" ::: "memory");
    frame->rip += UD2_LENGTH;
}

static void check_nesting(void) {
    probe_at_next_trap(trap_in_handler);
    probe_check(probe_named("kernel iret: a handler traps itself"), KERNEL);
    check_values("kernel iret: the trap of the handler arrived", "traps", 1, inner_traps);
}

/* ---- page faults ------------------------------------------------------------------------------------------------- */

static void check_cr2_register(void) {
    probe_run(probe_named("kernel #PF: read, not present"), KERNEL);
    u64 cr2;
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    check_values("kernel #PF: the CR2 register agrees with the shared page", "CR2", seen.cr2, cr2);
}

static void check_crossing_write(void) {
    volatile u32 *last_word = (u32 *)(PAGE_ABSENT - 4);
    *last_word = 0x12345678;
    probe_check(probe_named("kernel #PF: write that crosses into a page not present"), KERNEL);
    check_values("kernel #PF: nothing of that write is left", "word", 0x12345678, *last_word);
}

static void check_string_instruction(void) {
    probe_check(probe_named("kernel #PF: REP MOVSB that runs into a page not present"), KERNEL);
    check_start("kernel #PF: REP MOVSB shows how far it came");
    check_equal("RCX", 16 - 5, seen.frame.rcx);
    check_equal("RSI", PAGE_RO + 5, seen.frame.rsi);
    check_equal("RDI", PAGE_ABSENT, seen.frame.rdi);
    check_end();
}

/* ---- privileges -------------------------------------------------------------------------------------------------- */

static void check_iopl(void) {
    u32 iopl = 1;
    must_succeed("set_iopl", hv_physdev_op(PHYSDEVOP_SET_IOPL, &iopl));
    probe_check(probe_named("kernel runs: CLI and STI with IOPL 1, without effect"), KERNEL);
    iopl = 0;
    must_succeed("set_iopl", hv_physdev_op(PHYSDEVOP_SET_IOPL, &iopl));
}

/* ---- user mode --------------------------------------------------------------------------------------------------- */

#define ANSWER 0x1234567890abcdef

static void answer_system_call(struct frame *frame) {
    frame->rax = ANSWER;
}

static void check_system_call_answer(void) {
    probe_at_next_trap(answer_system_call);
    probe_check(probe_named("user SYSCALL: the answer arrives"), USER);
    check_values("user SYSCALL: the answer is the kernel's", "RAX", ANSWER, seen.frame.rdi);
}

static u64 read_gs_base(void) {
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000101));
    return (u64)high << 32 | low;
}

/* Each mode finds its own GS base, without having done anything for it. */
static void check_gs_bases(void) {
    must_succeed("set_segment_base", hv_set_segment_base(SEGBASE_GS_KERNEL, PAGE_RO));
    must_succeed("set_segment_base", hv_set_segment_base(SEGBASE_GS_USER, PAGE_RW));
    *(volatile u64 *)PAGE_RW = 0xfeedf00d;
    probe_check(probe_named("user runs: its own GS base"), USER);
    check_values("kernel GS base: back after user mode", "GS base", PAGE_RO, read_gs_base());
}

static unsigned events;

static void count_event(u32 port, void *argument) {
    (void)port;
    (void)argument;
    events++;
}

/* A port of our own connected to itself; the event waits, masked, until user mode starts with events on. */
static void check_event_in_user_mode(void) {
    u16 self = domain_id();
    s64 far = event_alloc_unbound(self);
    must_succeed("alloc_unbound", far);
    s64 near = event_bind_interdomain(self, (u32)far);
    must_succeed("bind_interdomain", near);
    event_set_handler((u32)far, count_event, NULL);

    events_disable();
    event_send((u32)near);
    check_values("events: one waits while they are off", "events", 0, events);
    probe_check(probe_named("user runs: after an event that was waiting"), USER);
    check_values("events: it arrived when user mode started", "events", 1, events);
    event_close((u32)near);
    event_close((u32)far);
}

/* ---- what the hypervisor must refuse ----------------------------------------------------------------------------- */

#define ANY_ERROR 0

static void check_refused(const char *name, s64 expected_errno, s64 result) {
    check_start(name);
    if (expected_errno == ANY_ERROR) {
        check_equal("an error, negative", true, result < 0);
    } else {
        check_equal("result", (u64)-expected_errno, (u64)result);
    }
    check_end();
}

static void check_refused_mappings(void) {
    void *page = page_alloc();
    void *own_l4 = (void *)start_info->pt_base;
    u64 l4_mfn = va_to_mfn(own_l4);

    check_refused("refused: a page table mapped writable", ANY_ERROR, mm_set_pte(page, make_pte(l4_mfn, PTE_KERNEL_RW)));
    check_refused("refused: a frame that does not exist", ANY_ERROR, mm_set_pte(page, PTE_FRAME_MASK | PTE_KERNEL_RW));
    check_refused("refused: mapping at an address not canonical", EINVAL, mm_set_pte((void *)(1ul << 63), 0));

    struct mmu_update update = {.ptr = (l4_mfn << PAGE_SHIFT) + 256 * sizeof(u64), .val = 0};
    check_refused("refused: a level-4 slot of the hypervisor's", EINVAL, hv_mmu_update(&update, 1));

    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = va_to_mfn(page)};
    check_refused("refused: a writable page as page table", ANY_ERROR, hv_mmuext_op(&pin, 1));

    u64 frame = va_to_mfn(page);
    check_refused("refused: a writable page as descriptor table", ANY_ERROR, hv_set_gdt(&frame, 512));
    page_free(page);
}

static void check_refused_arguments(void) {
    const u64 not_canonical = NON_CANONICAL;
    struct trap_info traps[2] = {{.vector = 0x30, .cs = FLAT_CS, .address = not_canonical}};
    struct callback_register callback = {.type = CALLBACKTYPE_EVENT, .address = not_canonical};

    check_refused("refused: trap handler not canonical", EINVAL, hv_set_trap_table(traps));
    check_refused("refused: callback not canonical", EINVAL, hv_callback_op(CALLBACKOP_REGISTER, &callback));
    check_refused("refused: GS base not canonical", EINVAL, hv_set_segment_base(SEGBASE_GS_USER, not_canonical));
    check_refused("refused: breakpoint on the hypervisor", EPERM, hv_set_debugreg(0, HYPERVISOR_ADDRESS));
    check_refused("refused: result to an unmapped address", EFAULT, hv_xen_version(XENVER_EXTRAVERSION, (void *)PAGE_ABSENT));
    check_refused("refused: result to the hypervisor's memory", EFAULT,
                  hv_xen_version(XENVER_EXTRAVERSION, (void *)HYPERVISOR_ADDRESS));
    check_refused("refused: a hypercall that does not exist", ENOSYS, hypercall1(HC_UNKNOWN, 0));
}

/* ------------------------------------------------------------------------------------------------------------------ */

void run_checks(void) {
    static const struct {
        const char *group;
        void (*run)(void);
    } checks[] = {
        {"kernel iret", check_skip},
        {"kernel iret", check_nesting},
        {"kernel #PF", check_cr2_register},
        {"kernel #PF", check_crossing_write},
        {"kernel #PF", check_string_instruction},
        {"kernel runs", check_iopl},
        {"user SYSCALL", check_system_call_answer},
        {"user runs", check_gs_bases},
        {"user runs", check_event_in_user_mode},
        {"refused", check_refused_mappings},
        {"refused", check_refused_arguments},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
        if (check_is_wanted(checks[i].group, 0)) {
            checks[i].run();
        }
    }
}
