/* SPDX-License-Identifier: Apache-2.0 */
/* Probes in user mode. The code is mapped at USER_CODE, so it may not refer to anything by its linked address. */
#define RUNS_AT USER_CODE
#define LINKED_AT user_probe_code
#define PROBE_TABLE .rodata.user_probes
#include "kernels/faults/probe.h"

    PROBES user
    .section .user_text, "ax", @progbits
user_probe_code:

    RUNS "user runs: a few instructions", arg=PAGE_RW
    mov %rdi, %rax
    push %rax
    pop %rdx
    mov %rdx, (%rdi)
    cmp (%rdi), %rax
    MISMATCH_IF ne
    END_RUNS

    RUNS "user runs: read of a page mapped without U", arg=PAGE_NO_U
    mov (%rdi), %rax
    END_RUNS

    RUNS "user runs: after an event that was waiting", flags=PROBE_BY_CHECK
    nop
    END_RUNS

    PROBE "user flags: all in the frame", UD, flags=PROBE_FLAGS, detail=ALL_FLAGS
    mov $ALL_FLAGS, %eax
    push %rax
    popf
    AT
    ud2
    END

    RUNS "user runs: its own GS base", arg=PAGE_RW, flags=PROBE_BY_CHECK
    mov %gs:0, %rax
    cmp (%rdi), %rax
    MISMATCH_IF ne
    END_RUNS

/* ---- system calls ------------------------------------------------------------------------------------------------ */

    PROBE "user SYSCALL", VECTOR_SYSCALL, flags=PROBE_SYSCALL
    mov $1, %eax
    syscall
    AT
    END

    /* The kernel answers the first with RAX; it must arrive, and RCX and R11 must come back as they went. */
    PROBE "user SYSCALL: the answer arrives", VECTOR_SYSCALL, flags=PROBE_SYSCALL|PROBE_BY_CHECK
    mov $1, %eax
    syscall
    mov %rax, %rdi
    mov $2, %eax
    syscall
    AT
    END

/* ---- exceptions other than page faults --------------------------------------------------------------------------- */

    PROBE "user #DE: division by zero", DE
    xor %esi, %esi
    AT
    div %esi
    END

    PROBE "user #DB: single step from an iret frame", DB, flags=PROBE_START_TF|PROBE_TF, detail=0x4000
    nop
    AT
    END

    PROBE "user #BP: INT3", BP
    int3
    AT
    END

    PROBE "user #OF: INT 4", OF
    int $4
    AT
    END

    PROBE "user #UD: UD2", UD
    AT
    ud2
    END

    PROBE "user #NM: FNINIT with TS set", NM, flags=PROBE_TS
    AT
    fninit
    END

    PROBE "user #GP: read, not canonical", GP, arg=NON_CANONICAL
    AT
    mov (%rdi), %eax
    END

    PROBE "user #SS: read through RSP and an index, not canonical", SS, arg=NON_CANONICAL
    AT
    mov (%rsp, %rdi), %eax
    END

    PROBE "user #NP: DS, descriptor not present", NP, error=SEL_ABSENT&~3
    mov $SEL_ABSENT, %eax
    AT
    mov %eax, %ds
    END

    PROBE "user #GP: HLT", GP
    AT
    hlt
    END

    PROBE "user #GP: CLI", GP
    AT
    cli
    END

    PROBE "user #GP: IN", GP
    AT
    in $0x60, %al
    END

    PROBE "user #GP: MOV from CR0", GP
    AT
    mov %cr0, %rax
    END

    PROBE "user #GP: RDMSR of FS_BASE", GP, flags=PROBE_REGS_FREE
    mov $0xc0000100, %ecx
    AT
    rdmsr
    END

    PROBE "user #GP: CLTS", GP
    AT
    clts
    END

/* ---- INT n ------------------------------------------------------------------------------------------------------- */

    PROBE "user INT: allowed to anybody", INT_ANYBODY
    int $INT_ANYBODY
    AT
    END

    PROBE "user #GP: INT allowed to the kernel", GP, error=INT_ERROR(INT_KERNEL)
    AT
    int $INT_KERNEL
    END

    PROBE "user #GP: INT allowed to nobody", GP, error=INT_ERROR(INT_NOBODY)
    AT
    int $INT_NOBODY
    END

/* ---- #PF --------------------------------------------------------------------------------------------------------- */

    PROBE "user #PF: read, not present", PF, error=PF_U, arg=PAGE_ABSENT+0x456
    AT
    mov (%rdi), %al
    END

    PROBE "user #PF: write, not present", PF, error=PF_U|PF_W, arg=PAGE_ABSENT
    AT
    movq $1, (%rdi)
    END

    PROBE "user #PF: write, read-only page", PF, error=PF_U|PF_W|PF_P, arg=PAGE_RO
    AT
    movq $1, (%rdi)
    END

    PROBE "user #PF: write to its own code", PF, error=PF_U|PF_W|PF_P, arg=USER_CODE
    AT
    movb $1, (%rdi)
    END

    PROBE "user #PF: execution, not present", PF, error=PF_U|PF_I, arg=PAGE_ABSENT, flags=PROBE_RIP_IS_ARG
    AT
    jmp *%rdi
    END

    PROBE "user #PF: execution, NX page", PF, error=PF_U|PF_I|PF_P, arg=PAGE_NX+8, flags=PROBE_RIP_IS_ARG
    AT
    jmp *%rdi
    END

    PROBE "user #PF: push beyond the stack's page", PF, error=PF_U|PF_W, flags=PROBE_REGS_FREE
    lea -0x1008(%rsp), %rdi
    lea -0x1000(%rsp), %rsp
    AT
    push %rax
    END

    PROBE "user #PF: read of the kernel's memory", PF, error=PF_U, arg=hypercall_page
    AT
    mov (%rdi), %rax
    END

    PROBE "user #PF: write to the kernel's memory", PF, error=PF_U|PF_W, arg=seen
    AT
    movq $0, (%rdi)
    END

    PROBE "user #PF: execution of the kernel's memory", PF, error=PF_U|PF_I, arg=hypercall_page, flags=PROBE_RIP_IS_ARG
    AT
    jmp *%rdi
    END

    PROBE "user #PF: read of the hypervisor's memory", PF, error=PF_U, arg=HYPERVISOR_ADDRESS, flags=PROBE_ANY_P
    AT
    mov (%rdi), %rax
    END

    PROBES_END user
