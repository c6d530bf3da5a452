/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a probe and compares the trap with the probe's expectations. */
#include "events.h"
#include "hypercall.h"
#include "kernels/faults/probe.h"
#include "runtime.h"

#define REGISTER(n) (0x5eed000000000000ul + (n))

/* The frame's flags that are compared; the rest is the arithmetic of the moment, and RF. */
#define COMPARED_FLAGS \
    (RFLAGS_FIXED | RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC)
#define ALL_COMPARED_FLAGS (COMPARED_FLAGS | ALL_FLAGS)

/* Kernel probes run on it, and traps from user probes start on it. */
static char probe_stack[8192] __attribute__((aligned(16)));
#define PROBE_STACK_END ((u64)probe_stack + sizeof probe_stack)

/* Three words into the stack: not a multiple of 16, so the hypervisor has to align the frame. */
#define KERNEL_START_RSP (PROBE_STACK_END - 24)
#define USER_START_RSP (USER_STACK_END - 24)

/* switch.S */
void probe_enter(const struct frame *frame);
extern char probe_leave[];
extern u64 probe_return_stack;

struct trap_seen seen;

static bool running;
static trap_handler next_trap;

void probe_at_next_trap(trap_handler handler) {
    next_trap = handler;
}

static u64 read_rflags(void) {
    u64 rflags;
    __asm__ volatile("pushf; pop %0" : "=r"(rflags));
    return rflags;
}

static void on_trap(struct frame *frame) {
    if (!running) {
        trap_die(frame); /* not a probe's: this kernel's own mistake */
    }
    seen = (struct trap_seen){
        .frame = *frame,
        .frame_address = (u64)frame,
        .cr2 = trap_cr2(),
        .handler_rflags = read_rflags(),
        .handler_mask = READ_ONCE(this_vcpu()->evtchn_upcall_mask),
    };
    if (next_trap != NULL) {
        trap_handler handler = next_trap;
        next_trap = NULL;
        handler(frame);
        return;
    }
    running = false;
    frame->rip = (u64)probe_leave;
    frame->rsp = probe_return_stack;
    frame->cs = FLAT_CS_KERNEL_FRAME;
    frame->ss = FLAT_SS;
    frame->rflags = RFLAGS_FIXED | RFLAGS_IF;
}

static struct frame start_frame(const struct probe *probe, enum mode mode) {
    return (struct frame){
        .rax = REGISTER(0), .rbx = REGISTER(1), .rcx = REGISTER(2), .rdx = REGISTER(3), .rsi = REGISTER(4),
        .rdi = probe->arg, .rbp = REGISTER(5), .r8 = REGISTER(8), .r9 = REGISTER(9), .r10 = REGISTER(10),
        .r11 = REGISTER(11), .r12 = REGISTER(12), .r13 = REGISTER(13), .r14 = REGISTER(14), .r15 = REGISTER(15),
        .rip = probe->start,
        .cs = mode == USER ? FLAT_CS : FLAT_CS_KERNEL_FRAME,
        .rflags = RFLAGS_FIXED | (probe->flags & PROBE_EVENTS_OFF ? 0 : RFLAGS_IF) |
                  (probe->flags & PROBE_START_TF ? RFLAGS_TF : 0),
        .rsp = mode == USER ? USER_START_RSP : KERNEL_START_RSP,
        .ss = FLAT_SS,
    };
}

static void arm_breakpoint(u64 address) {
    /* DR7: local enable of DR0, on writes, 8 bytes long */
    must_succeed("set_debugreg", hv_set_debugreg(0, address));
    must_succeed("set_debugreg", hv_set_debugreg(7, 1ul | 1ul << 16 | 2ul << 18));
}

void probe_init(void) {
    for (unsigned vector = 0; vector <= VECTOR_SYSCALL; vector++) {
        trap_set_handler(vector, on_trap);
    }
    environment_init((void *)PROBE_STACK_END);
}

void probe_run(const struct probe *probe, enum mode mode) {
    if (probe->flags & PROBE_TS) {
        must_succeed("fpu_taskswitch", hv_fpu_taskswitch(1));
    }
    if (probe->vector == TRAP_DB) {
        must_succeed("set_debugreg", hv_set_debugreg(6, 0));
    }
    if (probe->flags & PROBE_BREAKPOINT) {
        arm_breakpoint(probe->arg);
    }

    struct frame frame = start_frame(probe, mode);
    events_disable();
    running = true;
    probe_enter(&frame);

    if (probe->flags & PROBE_BREAKPOINT) {
        must_succeed("set_debugreg", hv_set_debugreg(7, 0));
    }
}

static void compare_frame(const struct probe *probe, enum mode mode) {
    const struct frame *frame = &seen.frame;
    u16 kernel_cs = probe->flags & PROBE_OWN_CS ? SEL_CODE & ~3 : FLAT_CS_KERNEL_FRAME;
    bool events_off = probe->flags & PROBE_EVENTS_OFF;
    u64 rflags = RFLAGS_FIXED | (events_off ? 0 : RFLAGS_IF) | (probe->flags & PROBE_TF ? RFLAGS_TF : 0) |
                 (probe->flags & PROBE_AC ? RFLAGS_AC : 0);

    check_equal("vector", probe->vector, frame->vector);
    check_equal("RIP", probe->flags & PROBE_RIP_IS_ARG ? probe->arg : probe->at, frame->rip);
    u64 error_mask = probe->flags & PROBE_ANY_P ? ~1ul : ~0ul;
    check_equal("error code", probe->error & error_mask, frame->error_code & error_mask);
    check_equal("CS", mode == USER ? FLAT_CS : kernel_cs, frame->cs);
    check_equal("SS", FLAT_SS, frame->ss);
    check_equal("saved event mask", events_off, frame->saved_upcall_mask);
    if (probe->flags & PROBE_FLAGS) {
        check_equal("RFLAGS", probe->detail, frame->rflags & ALL_COMPARED_FLAGS);
    } else {
        check_equal("RFLAGS", rflags, frame->rflags & COMPARED_FLAGS);
    }
    if (!(probe->flags & PROBE_REGS_FREE)) {
        check_equal("RSP", mode == USER ? USER_START_RSP : KERNEL_START_RSP, frame->rsp);
    }
}

static void compare_status(const struct probe *probe) {
    if (probe->vector == TRAP_PF) {
        check_equal("CR2", seen.frame.rdi, seen.cr2);
    }
    if (probe->vector == TRAP_DB) {
        check_equal("DR6", probe->detail, hv_get_debugreg(6) & 0xe00f);
    }
}

/* The state that the handler started in, as the hypervisor made it. */
static void compare_handler(const struct probe *probe, enum mode mode) {
    u64 stack = mode == USER ? PROBE_STACK_END : seen.frame.rsp & ~15ul;
    check_equal("place of the frame", stack - sizeof(struct frame), seen.frame_address);
    check_equal("event mask in the handler", probe->flags & PROBE_NO_MASK ? 0 : 1, seen.handler_mask);
    check_equal("RFLAGS in the handler", RFLAGS_FIXED | RFLAGS_IF, seen.handler_rflags & COMPARED_FLAGS);
}

static void compare_registers(const struct probe *probe) {
    const struct frame *frame = &seen.frame;
    if (probe->flags & PROBE_REGS_FREE) {
        return;
    }
    check_equal("RBX", REGISTER(1), frame->rbx);
    check_equal("RBP", REGISTER(5), frame->rbp);
    check_equal("RCX", probe->flags & PROBE_SYSCALL ? frame->rip : REGISTER(2), frame->rcx);
    check_equal("R8", REGISTER(8), frame->r8);
    check_equal("R9", REGISTER(9), frame->r9);
    check_equal("R10", REGISTER(10), frame->r10);
    check_equal("R11", probe->flags & PROBE_SYSCALL ? frame->rflags : REGISTER(11), frame->r11);
    check_equal("R12", REGISTER(12), frame->r12);
    check_equal("R13", REGISTER(13), frame->r13);
    check_equal("R14", REGISTER(14), frame->r14);
    check_equal("R15", REGISTER(15), frame->r15);
}

void probe_check(const struct probe *probe, enum mode mode) {
    check_start(probe->name);
    probe_run(probe, mode);
    compare_frame(probe, mode);
    compare_status(probe);
    compare_handler(probe, mode);
    compare_registers(probe);
    check_end();
}
