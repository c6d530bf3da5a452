/* SPDX-License-Identifier: Apache-2.0 */
/* Where other vCPUs start, and accesses that may fault on any of them. */

    .section .text.others, "ax", @progbits

/* RSP is what VCPUOP_initialise was told. */
    .globl cpu_start
cpu_start:
    xor %ebp, %ebp
    call cpu_main
    ud2

/* A fault at one of these goes on at probe_end, with PROBE_FAULTED as the result: see on_trap(). */
    .globl probe_read, probe_write, probe_write_half, probe_exchange, probe_load_ds
    .globl probe_first, probe_last, probe_end
probe_first:
probe_read:
    mov (%rdi), %rax
    ret
probe_write:
    mov %rsi, (%rdi)
    xor %eax, %eax
    ret
probe_write_half:
    mov %esi, (%rdi)
    xor %eax, %eax
    ret
probe_exchange:
    mov %rdx, %rax
    lock cmpxchg %rsi, (%rdi)
    ret
probe_load_ds:
    mov %edi, %ds
    xor %eax, %eax
probe_last:
    mov %eax, %ds
probe_end:
    ret
