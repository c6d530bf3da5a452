/* SPDX-License-Identifier: Apache-2.0 */
/* Registers the entry points of entry.S with the hypervisor and sends what arrives to its handler. */
#include "traps.h"

#include "console.h"
#include "events.h"
#include "hypercall.h"
#include "runtime.h"

extern char trap_entries[TRAP_VECTORS][TRAP_ENTRY_SIZE];
extern char event_entry[], syscall_entry[], failsafe_entry[];

static trap_handler handlers[VECTOR_FAILSAFE + 1];

u64 trap_cr2(void) {
    return READ_ONCE(this_vcpu()->cr2);
}

void trap_set_handler(unsigned vector, trap_handler handler) {
    handlers[vector] = handler;
}

static struct trap_info gate(unsigned vector, unsigned dpl, bool mask_events) {
    return (struct trap_info){
        .vector = (u8)vector,
        .flags = (u8)(TRAP_DPL(dpl) | (mask_events ? TRAP_MASK_EVENTS : 0)),
        .cs = FLAT_CS,
        .address = (u64)trap_entries[vector],
    };
}

void trap_set_gate(unsigned vector, unsigned dpl, bool mask_events) {
    struct trap_info table[2] = {gate(vector, dpl, mask_events)}; /* the zeroed second ends it */
    must_succeed("set_trap_table", hv_set_trap_table(table));
}

static void register_callback(u16 type, u16 flags, char *entry) {
    struct callback_register callback = {.type = type, .flags = flags, .address = (u64)entry};
    must_succeed("callback_op", hv_callback_op(CALLBACKOP_REGISTER, &callback));
}

void traps_init(void) {
    /* All 256: a vector without a handler address is death without a word (8.1). Zeroed, so the last entry ends it. */
    static struct trap_info table[TRAP_VECTORS + 1];

    for (unsigned v = 0; v < TRAP_VECTORS; v++) {
        table[v] = gate(v, v == TRAP_BP || v == TRAP_OF ? 3 : 0, true);
    }
    must_succeed("set_trap_table", hv_set_trap_table(table));

    register_callback(CALLBACKTYPE_EVENT, 0, event_entry);
    register_callback(CALLBACKTYPE_FAILSAFE, CALLBACKF_MASK_EVENTS, failsafe_entry);
    register_callback(CALLBACKTYPE_SYSCALL, CALLBACKF_MASK_EVENTS, syscall_entry);
}

void trap_die(const struct frame *f) {
    u64 cr2 = trap_cr2();
    printf("\nunhandled trap %lu, error code 0x%lx, in %s mode\n", f->vector, f->error_code,
           frame_from_user(f) ? "user" : "kernel");
    printf("rip %04x:%016lx rflags %08lx\n", f->cs, f->rip, f->rflags);
    printf("rsp %04x:%016lx cr2 %016lx\n", f->ss, f->rsp, cr2);
    printf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    printf("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", f->rsi, f->rdi, f->rbp, f->r8);
    printf("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", f->r9, f->r10, f->r11, f->r12);
    printf("r13 %016lx r14 %016lx r15 %016lx\n", f->r13, f->r14, f->r15);
    crash();
}

/* Called by entry.S with events masked. */
void trap_dispatch(struct frame *frame) {
    if (frame->vector == VECTOR_EVENT) {
        events_upcall();
        return;
    }
    if (frame->vector == VECTOR_FAILSAFE) {
        return; /* the segment registers that failed to load are null now, and nothing here uses them */
    }
    trap_handler handler = handlers[frame->vector];
    if (handler == NULL) {
        trap_die(frame);
    }
    handler(frame);
}
