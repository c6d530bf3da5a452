/* SPDX-License-Identifier: Apache-2.0 */
/* Probes in kernel mode: addresses that are not canonical, and page faults. */
#define RUNS_AT 0
#define LINKED_AT 0
#define PROBE_TABLE .rodata.kernel_memory
#include "kernels/faults/probe.h"

    PROBES kernel_memory
    .section .text.kernel_memory, "ax", @progbits

/* ---- addresses that are not canonical ---------------------------------------------------------------------------- */

    PROBE "kernel #GP: read, not canonical", GP, arg=NON_CANONICAL
    AT
    mov (%rdi), %eax
    END

    PROBE "kernel #GP: write, not canonical", GP, arg=0x0000800000000000
    AT
    mov %eax, (%rdi)
    END

    PROBE "kernel #GP: read through FS, not canonical", GP, arg=NON_CANONICAL
    AT
    mov %fs:(%rdi), %eax
    END

    PROBE "kernel #SS: read through RBP, not canonical", SS, arg=NON_CANONICAL, flags=PROBE_REGS_FREE
    mov %rdi, %rbp
    AT
    mov (%rbp), %eax
    END

    PROBE "kernel #SS: read through RSP and an index, not canonical", SS, arg=NON_CANONICAL
    AT
    mov (%rsp, %rdi), %eax
    END

    PROBE "kernel #GP: read through FS and RBP, not canonical", GP, arg=NON_CANONICAL, flags=PROBE_REGS_FREE
    mov %rdi, %rbp
    AT
    mov %fs:(%rbp), %eax
    END

/* ---- #PF: a fault from the kernel has U clear, although the CPU runs it in ring 3 ---------------------------------- */

    PROBE "kernel #PF: read, not present", PF, error=0, arg=PAGE_ABSENT+0x123
    AT
    mov (%rdi), %al
    END

    PROBE "kernel #PF: read of a null pointer", PF, error=0, arg=0
    AT
    mov (%rdi), %rax
    END

    PROBE "kernel #PF: read with events off", PF, error=0, arg=PAGE_ABSENT, flags=PROBE_EVENTS_OFF
    AT
    mov (%rdi), %rax
    END

    PROBE "kernel #PF: read that crosses into a page not present", PF, error=0, arg=PAGE_ABSENT
    AT
    mov -4(%rdi), %rax
    END

    PROBE "kernel #PF: write that crosses into a page not present", PF, error=PF_W, arg=PAGE_ABSENT, flags=PROBE_BY_CHECK
    mov $-1, %rax
    AT
    mov %rax, -4(%rdi)
    END

    PROBE "kernel #PF: REP MOVSB that runs into a page not present", PF, error=PF_W, flags=PROBE_REGS_FREE|PROBE_BY_CHECK
    mov $PAGE_ABSENT-5, %rdi
    mov $PAGE_RO, %rsi
    mov $16, %ecx
    AT
    rep movsb
    END

    PROBE "kernel #PF: write, not present", PF, error=PF_W, arg=PAGE_ABSENT+8
    AT
    movq $1, (%rdi)
    END

    PROBE "kernel #PF: write, read-only page", PF, error=PF_W|PF_P, arg=PAGE_RO+0xff8
    AT
    movq $1, (%rdi)
    END

    PROBE "kernel #PF: CMPXCHG that would not store, read-only page", PF, error=PF_W|PF_P, arg=PAGE_RO
    mov $1, %eax
    AT
    lock cmpxchg %edx, (%rdi)
    END

    PROBE "kernel #PF: execution, not present", PF, error=PF_I, arg=PAGE_ABSENT+0x10, flags=PROBE_RIP_IS_ARG
    AT
    jmp *%rdi
    END

    PROBE "kernel #PF: execution, NX page", PF, error=PF_I|PF_P, arg=PAGE_NX, flags=PROBE_RIP_IS_ARG
    AT
    jmp *%rdi
    END

    RUNS "kernel runs: read of a read-only and of an NX page"
    movabs PAGE_RO, %rax
    movabs PAGE_NX, %rax
    END_RUNS

    PROBE "kernel #PF: write to its own level-4 table", PF, error=PF_W|PF_P
    mov start_info(%rip), %rax
    mov 88(%rax), %rdi              /* start_info.pt_base */
    AT
    lock orq $0, (%rdi)
    END

    PROBE "kernel #PF: write to its own level-1 table", PF, error=PF_W|PF_P
    mov own_level_1(%rip), %rdi
    AT
    lock orq $0, (%rdi)
    END

    PROBE "kernel #PF: read of the hypervisor's memory", PF, error=0, arg=HYPERVISOR_ADDRESS, flags=PROBE_ANY_P
    AT
    mov (%rdi), %rax
    END

    PROBE "kernel #PF: write to the hypervisor's memory", PF, error=PF_W, arg=HYPERVISOR_ADDRESS, flags=PROBE_ANY_P
    AT
    lock orq $0, (%rdi)
    END

    PROBE "kernel #PF: execution of the hypervisor's memory", PF, error=PF_I, arg=HYPERVISOR_ADDRESS, flags=PROBE_RIP_IS_ARG|PROBE_ANY_P
    AT
    jmp *%rdi
    END

    PROBE "kernel #PF: write to the machine-to-physical table", PF, error=PF_W, arg=M2P_ADDRESS, flags=PROBE_ANY_P
    AT
    lock orq $0, (%rdi)
    END

    PROBES_END kernel_memory
