/* SPDX-License-Identifier: Apache-2.0 */
/* Where vCPUs start and where their events arrive; accesses that may fault. */
#include "entry_vectors.h"

    .section .text.smp, "ax", @progbits

/* The frame is that of runtime/entry.S without an error code: RCX R11 RIP CS RFLAGS RSP SS. */
    .globl smp_event_entry
smp_event_entry:
    push %rax
    push %rdi
    push %rsi
    push %rdx
    push %r8
    push %r9
    push %r10
    cld
    call smp_upcall                 /* the frame is aligned, and 14 words deep here */
    pop %r10
    pop %r9
    pop %r8
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rax
    pop %rcx
    pop %r11
    push $0                         /* flags: restore every register */
    jmp hypercall_page + 23 * 32

/* RSP and RDI are what VCPUOP_initialise was told. */
    .globl smp_start
smp_start:
    pushf
    pop %rsi
    mov %rsp, %rdx
    xor %ebp, %ebp
    call smp_main
    ud2

    .globl probe_read, probe_read_at, probe_write, probe_write_at, probe_end
probe_read:
probe_read_at:
    mov (%rdi), %rax
    ret
probe_write:
    xor %eax, %eax
probe_write_at:
    mov %rsi, (%rdi)
probe_end:
    ret
