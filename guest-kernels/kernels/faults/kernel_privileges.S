/* SPDX-License-Identifier: Apache-2.0 */
/* Probes in kernel mode: segments, privileged instructions, INT n. */
#define RUNS_AT 0
#define LINKED_AT 0
#define PROBE_TABLE .rodata.kernel_privileges
#include "kernels/faults/probe.h"

    PROBES kernel_privileges
    .section .text.kernel_privileges, "ax", @progbits

/* ---- segments ---------------------------------------------------------------------------------------------------- */

    RUNS "kernel runs: DS from the guest's own GDT"
    mov $SEL_DATA, %eax
    mov %eax, %ds
    xor %eax, %eax
    mov %eax, %ds
    END_RUNS

    RUNS "kernel runs: far return to the guest's own code segment", flags=PROBE_OWN_CS
    push $SEL_CODE
    lea 1f(%rip), %rax
    push %rax
    lretq
1:
    END_RUNS

    PROBE "kernel #NP: DS, descriptor not present", NP, error=SEL_ABSENT&~3
    mov $SEL_ABSENT, %eax
    AT
    mov %eax, %ds
    END

    PROBE "kernel #SS: SS, descriptor not present", SS, error=SEL_ABSENT&~3
    mov $SEL_ABSENT, %eax
    AT
    mov %eax, %ss
    END

    PROBE "kernel #GP: DS, execute-only code segment", GP, error=SEL_EXECUTE_ONLY&~3
    mov $SEL_EXECUTE_ONLY, %eax
    AT
    mov %eax, %ds
    END

    PROBE "kernel #GP: DS, empty descriptor", GP, error=SEL_EMPTY&~3
    mov $SEL_EMPTY, %eax
    AT
    mov %eax, %ds
    END

    PROBE "kernel #GP: DS, from an empty LDT", GP, error=SEL_LDT&~3
    mov $SEL_LDT, %eax
    AT
    mov %eax, %ds
    END

    PROBE "kernel #GP: SS, null selector", GP
    xor %eax, %eax
    AT
    mov %eax, %ss
    END

/* ---- privileged instructions ------------------------------------------------------------------------------------- */

    PROBE "kernel #GP: HLT", GP
    AT
    hlt
    END

    PROBE "kernel #GP: CLI", GP
    AT
    cli
    END

    PROBE "kernel #GP: STI", GP
    AT
    sti
    END

    RUNS "kernel runs: CLI and STI with IOPL 1, without effect", flags=PROBE_BY_CHECK
    cli
    sti
    END_RUNS

    PROBE "kernel #GP: IN", GP
    AT
    in $0x60, %al
    END

    PROBE "kernel #GP: OUT", GP
    mov $0x80, %edx
    AT
    out %al, %dx
    END

    PROBE "kernel #GP: LGDT", GP, arg=PAGE_RW
    AT
    lgdt (%rdi)
    END

    PROBE "kernel #GP: LIDT", GP, arg=PAGE_RW
    AT
    lidt (%rdi)
    END

    PROBE "kernel #GP: LLDT", GP
    xor %eax, %eax
    AT
    lldt %ax
    END

    PROBE "kernel #GP: LTR", GP
    xor %eax, %eax
    AT
    ltr %ax
    END

    PROBE "kernel #GP: LMSW", GP
    AT
    lmsw %ax
    END

    PROBE "kernel #GP: INVLPG", GP, arg=PAGE_RW
    AT
    invlpg (%rdi)
    END

    PROBE "kernel #GP: INVD", GP
    AT
    invd
    END

    PROBE "kernel #GP: SWAPGS", GP
    AT
    swapgs
    END

    PROBE "kernel #GP: SYSRET", GP, flags=PROBE_REGS_FREE
    xor %ecx, %ecx
    AT
    sysretq
    END

    PROBE "kernel #GP: MOV to CR0 that clears WP", GP
    mov %cr0, %rax
    and $~0x10000, %rax
    AT
    mov %rax, %cr0
    END

    PROBE "kernel #GP: MOV to CR3 of a frame that does not exist", GP
    mov $0x000ffffffffff000, %rax
    AT
    mov %rax, %cr3
    END

    PROBE "kernel #GP: MOV to DR0 of a hypervisor address", GP
    mov $HYPERVISOR_ADDRESS, %rax
    AT
    mov %rax, %db0
    END

    PROBE "kernel #GP: RDMSR of LSTAR", GP, flags=PROBE_REGS_FREE
    mov $0xc0000082, %ecx
    AT
    rdmsr
    END

    PROBE "kernel #GP: WRMSR of LSTAR", GP, flags=PROBE_REGS_FREE
    mov $0xc0000082, %ecx
    xor %eax, %eax
    xor %edx, %edx
    AT
    wrmsr
    END

    PROBE "kernel #GP: WRMSR of FS_BASE, not canonical", GP, flags=PROBE_REGS_FREE
    mov $0xc0000100, %ecx
    xor %eax, %eax
    mov $0x80000000, %edx
    AT
    wrmsr
    END

/* ---- privileged instructions that the hypervisor carries out ----------------------------------------------------- */

    RUNS "kernel runs: MOV from CR0, CR2, CR4"
    mov %cr0, %rax
    test $1, %al                    /* PE */
    MISMATCH_IF z
    mov %cr2, %rax
    mov %cr4, %rax
    test $0x20, %al                 /* PAE */
    MISMATCH_IF z
    END_RUNS

    RUNS "kernel runs: CLTS"
    clts
    END_RUNS

    RUNS "kernel runs: WBINVD"
    wbinvd
    END_RUNS

    RUNS "kernel runs: MOV from DR6 and DR7"
    mov %db6, %rax
    mov %db7, %rax
    END_RUNS

    RUNS "kernel runs: WRMSR and RDMSR of FS_BASE", flags=PROBE_REGS_FREE
    mov $0xc0000100, %ecx
    mov $0x12345000, %eax
    mov $0x7f, %edx
    wrmsr
    xor %eax, %eax
    xor %edx, %edx
    rdmsr
    cmp $0x12345000, %eax
    MISMATCH_IF ne
    cmp $0x7f, %edx
    MISMATCH_IF ne
    xor %eax, %eax
    xor %edx, %edx
    wrmsr
    END_RUNS

/* ---- INT n ------------------------------------------------------------------------------------------------------- */

    PROBE "kernel INT: allowed to the kernel", INT_KERNEL
    int $INT_KERNEL
    AT
    END

    PROBE "kernel INT: allowed to anybody", INT_ANYBODY
    int $INT_ANYBODY
    AT
    END

    PROBE "kernel #GP: INT allowed to nobody", GP, error=INT_ERROR(INT_NOBODY)
    AT
    int $INT_NOBODY
    END

    PROBE "kernel #GP: INT of an exception's vector", GP, error=INT_ERROR(GP)
    AT
    int $GP
    END

    PROBES_END kernel_privileges
