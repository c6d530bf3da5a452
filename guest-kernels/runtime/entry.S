/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the hypervisor enters the kernel: exceptions, the event upcall, user system calls, the failsafe callback.
 *
 * The hypervisor pushes, from high to low (xen-pv-abi.md, 8.3):
 *
 *     SS  RSP  RFLAGS  CS|mask<<32  RIP  [error code]  R11  RCX   <- RSP
 *
 * and the way back is the iret hypercall, whose stub pushes RCX, R11 and RAX on top of
 *
 *     SS  RSP  RFLAGS  CS  RIP  flags                             <- RSP
 *
 * So the slot of the error code becomes the slot of the flags, and one layout serves both: struct frame in
 * include/traps.h, which must agree with the pushes below. The hypercall restores the event mask from RFLAGS.IF, so
 * nothing can come between "events on" and the return.
 *
 * RCX and R11 are in the frame, so they are free to use until C is called.
 */
#include "entry_vectors.h"

    .section .text.entry, "ax", @progbits

/* One entry point of TRAP_ENTRY_SIZE bytes a vector; each notes its number and leaves the rest to the common code. */
    .balign TRAP_ENTRY_SIZE
    .globl trap_entries
trap_entries:
    vector = 0
    .rept TRAP_VECTORS
    push $vector
    .if vector < 32 && (VECTORS_WITH_ERROR_CODE >> (vector & 31)) & 1
    jmp enter_with_error_code
    .else
    jmp enter
    .endif
    .balign TRAP_ENTRY_SIZE
    vector = vector + 1
    .endr

/* The callbacks have frames without an error code too (8.4, 8.6). */
    .globl event_entry
event_entry:
    push $VECTOR_EVENT
    jmp enter

    .globl syscall_entry
syscall_entry:
    push $VECTOR_SYSCALL
    jmp enter

/* The failsafe frame has DS, ES, FS and GS, which are null by now, between R11 and RIP (8.8): they are dropped. */
    .globl failsafe_entry
failsafe_entry:
    pop %rcx
    pop %r11
    add $32, %rsp
    push %r11
    push %rcx
    push $VECTOR_FAILSAFE
    jmp enter

/* vector RCX R11 error RIP ...  becomes  vector RAX R11 RCX error RIP ... */
enter_with_error_code:
    sub $8, %rsp
    mov 8(%rsp), %rcx
    mov %rcx, (%rsp)
    mov %rax, 8(%rsp)
    mov 16(%rsp), %rcx
    mov 24(%rsp), %r11
    mov %r11, 16(%rsp)
    mov %rcx, 24(%rsp)
    jmp save_rest

/* vector RCX R11 RIP ...  becomes  vector RAX R11 RCX 0 RIP ... */
enter:
    sub $16, %rsp
    mov 16(%rsp), %rcx
    mov %rcx, (%rsp)
    mov %rax, 8(%rsp)
    mov 32(%rsp), %r11
    mov %r11, 16(%rsp)
    movq $0, 32(%rsp)

save_rest:
    push %rdi
    push %rsi
    push %rdx
    push %r8
    push %r9
    push %r10
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    cld                             /* the hypervisor leaves DF as it was */
    mov %rsp, %rdi                  /* 16-byte aligned: the hypervisor aligned the frame, and struct frame is 176 bytes */
    call trap_dispatch
    mov %rsp, %rdi

/* frame_resume(frame): goes on with what a frame says, here or in user mode. See traps.h. */
    .globl frame_resume
frame_resume:
    mov %rdi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r10
    pop %r9
    pop %r8
    pop %rdx
    pop %rsi
    pop %rdi
    add $8, %rsp                    /* the vector */
    pop %rax
    pop %r11
    pop %rcx
    movq $0, (%rsp)                 /* flags: restore every register, RCX and R11 too */
    jmp hypercall_page + 23 * 32    /* iret */
