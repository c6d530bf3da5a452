/* SPDX-License-Identifier: Apache-2.0 */
/* Into a probe and, whatever it does to registers and stack, back again. */

/* probe_enter(frame): like setjmp, then frame_resume(frame). Returns when the trap handler resumes at probe_leave. */
    .section .text.probe_enter, "ax", @progbits
    .globl probe_enter
probe_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, probe_return_stack(%rip)
    jmp frame_resume

    .globl probe_leave
probe_leave:
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .section .bss.probe_return_stack, "aw", @nobits
    .balign 8
    .globl probe_return_stack
probe_return_stack:
    .skip 8
