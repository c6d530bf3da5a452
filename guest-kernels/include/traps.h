/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions and software interrupts, handled in C.
 *
 * Every vector has an entry point from the start; one without a handler of its own prints the frame and crashes the
 * domain. A handler may change the frame: execution goes on with what the frame says.
 */
#ifndef TRAPS_H
#define TRAPS_H

#include "entry_vectors.h"
#include "types.h"

/* What was interrupted. runtime/entry.S builds it; the order of the fields is the order of its pushes. */
struct frame {
    u64 r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rdx, rsi, rdi;
    u64 vector;
    u64 rax, r11, rcx;
    u64 error_code; /* 0 for vectors that have none */
    u64 rip;
    u16 cs; /* RPL 0: the kernel was interrupted, 3: user mode */
    u16 pad0;
    u8 saved_upcall_mask; /* the event mask before this entry */
    u8 pad1[3];
    u64 rflags; /* IF = events were on */
    u64 rsp;
    u16 ss;
    u16 pad2[3];
};
_Static_assert(sizeof(struct frame) == 176, "entry.S relies on the size");

enum {
    TRAP_DE = 0,
    TRAP_DB = 1,
    TRAP_NMI = 2,
    TRAP_BP = 3,
    TRAP_OF = 4,
    TRAP_BR = 5,
    TRAP_UD = 6,
    TRAP_NM = 7,
    TRAP_TS = 10,
    TRAP_NP = 11,
    TRAP_SS = 12,
    TRAP_GP = 13,
    TRAP_PF = 14,
    TRAP_MF = 16,
    TRAP_AC = 17,
    TRAP_XM = 19,
};

typedef void (*trap_handler)(struct frame *frame);

void traps_init(void);

/* vector: 0..255 or VECTOR_SYSCALL; NULL restores "print and crash". */
void trap_set_handler(unsigned vector, trap_handler handler);

/*
 * dpl: whether INT vector is allowed: 0 never, 1 from the kernel, 3 from user mode too (xen-pv-abi.md, 8.5).
 * mask_events: whether the handler starts with events off. As set up at start: 0 (3 for INT3 and INT 4), true.
 */
void trap_set_gate(unsigned vector, unsigned dpl, bool mask_events);

static inline bool frame_from_user(const struct frame *frame) {
    return (frame->cs & 3) == 3;
}

/*
 * Goes where the frame says, in kernel mode (cs = FLAT_CS_KERNEL_FRAME) or in user mode (cs = FLAT_CS); its IF decides
 * whether events are on there. The frame must lie on the current stack, with nothing that matters below it, and
 * events must be off: the stack pointer runs through it.
 */
NORETURN void frame_resume(const struct frame *frame);

/* Prints a frame that nobody wants to handle, and crashes the domain. */
NORETURN void trap_die(const struct frame *frame);

/* The faulting address of the last page fault; valid until the next one, so read it first. */
u64 trap_cr2(void);

#endif
