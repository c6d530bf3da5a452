/* SPDX-License-Identifier: Apache-2.0 */
/* Probes in kernel mode: exceptions of ordinary instructions, and what their frames hold. */
#define RUNS_AT 0
#define LINKED_AT 0
#define PROBE_TABLE .rodata.kernel_exceptions
#include "kernels/faults/probe.h"

    PROBES kernel_exceptions
    .section .text.kernel_exceptions, "ax", @progbits

/* ---- #DE --------------------------------------------------------------------------------------------------------- */

    PROBE "kernel #DE: division by zero", DE
    xor %eax, %eax
    xor %edx, %edx
    xor %esi, %esi
    AT
    div %esi
    END

    PROBE "kernel #DE: quotient too large", DE
    mov $1, %edx
    xor %eax, %eax
    mov $1, %esi
    AT
    div %esi
    END

    PROBE "kernel #DE: most negative number by minus one", DE
    mov $0x80000000, %eax
    cltd
    mov $-1, %esi
    AT
    idiv %esi
    END

    PROBE "kernel #DE: division by zero with events off", DE, flags=PROBE_EVENTS_OFF
    xor %esi, %esi
    AT
    div %esi
    END

/* ---- #DB, #BP, #OF: traps, RIP is behind the instruction --------------------------------------------------------- */

    PROBE "kernel #DB: single step after POPF", DB, flags=PROBE_TF, detail=0x4000
    pushf
    orl $0x100, (%rsp)
    popf
    nop
    AT
    END

    PROBE "kernel #DB: single step from an iret frame", DB, flags=PROBE_START_TF|PROBE_TF, detail=0x4000
    nop
    AT
    END

    PROBE "kernel #DB: ICEBP", DB
    .byte 0xf1
    AT
    END

    PROBE "kernel #DB: hardware breakpoint on a write", DB, arg=PAGE_RW, flags=PROBE_BREAKPOINT|PROBE_EXTRA, detail=1
    movq $0, (%rdi)
    AT
    END

    PROBE "kernel #BP: INT3", BP
    int3
    AT
    END

    PROBE "kernel #BP: INT 3 in two bytes", BP
    .byte 0xcd, 0x03
    AT
    END

    PROBE "kernel #OF: INT 4", OF
    int $4
    AT
    END

/* ---- #UD --------------------------------------------------------------------------------------------------------- */

    PROBE "kernel #UD: UD2", UD
    AT
    ud2
    END

    PROBE "kernel #UD: UD1", UD
    AT
    .byte 0x0f, 0xb9, 0xc0
    END

    PROBE "kernel #UD: PUSH ES, gone in 64-bit mode", UD
    AT
    .byte 0x06
    END

    PROBE "kernel #UD: LOCK before an instruction that does not take it", UD, arg=PAGE_RW
    AT
    .byte 0xf0, 0x89, 0x07          /* lock mov %eax, (%rdi) */
    END

    PROBE "kernel #UD: LOCK before a register destination", UD
    AT
    .byte 0xf0, 0x01, 0xc0          /* lock add %eax, %eax */
    END

    PROBE "kernel #UD: emulation prefix before other than CPUID", UD
    AT
    ud2
    .ascii "xen"
    mov %eax, %eax
    END

    RUNS "kernel runs: emulation prefix and CPUID", flags=PROBE_REGS_FREE
    mov $0x40000000, %eax
    xor %ecx, %ecx
    ud2
    .ascii "xen"
    cpuid
    cmp $0x566e6558, %ebx           /* "XenV" */
    MISMATCH_IF ne
    END_RUNS

/* ---- flags, masks, and what a handler can do ---------------------------------------------------------------------- */

    PROBE "kernel flags: all in the frame", UD, flags=PROBE_FLAGS, detail=ALL_FLAGS
    mov $ALL_FLAGS, %eax
    push %rax
    popf
    AT
    ud2
    END

    PROBE "kernel flags: not IF when events are off", UD, flags=PROBE_FLAGS|PROBE_EVENTS_OFF, detail=ALL_FLAGS&~0x200
    mov $ALL_FLAGS, %eax
    push %rax
    popf
    AT
    ud2
    END

    PROBE "kernel INT: a gate that does not mask events", INT_NO_MASK, flags=PROBE_NO_MASK
    int $INT_NO_MASK
    AT
    END

    PROBE "kernel iret: a handler skips the instruction", BP, flags=PROBE_BY_CHECK
    ud2
    int3
    AT
    END

    PROBE "kernel iret: a handler traps itself", BP, flags=PROBE_BY_CHECK
    ud2
    int3
    AT
    END

/* ---- floating point ---------------------------------------------------------------------------------------------- */

    PROBE "kernel #NM: FNINIT with TS set", NM, flags=PROBE_TS
    AT
    fninit
    END

    PROBE "kernel #NM: FWAIT with TS set", NM, flags=PROBE_TS
    AT
    fwait
    END

    RUNS "kernel runs: FNINIT after #NM, which has cleared TS"
    fninit
    END_RUNS

    PROBE "kernel #MF: unmasked x87 division by zero", MF, flags=PROBE_EXTRA
    fninit
    push $0x037b
    fldcw (%rsp)
    pop %rax
    fld1
    fldz
    fdivrp %st, %st(1)
    AT
    fwait
    END

    PROBE "kernel #XM: unmasked SSE division by zero", XM, flags=PROBE_EXTRA
    push $0x1d80
    ldmxcsr (%rsp)
    pop %rax
    mov $0x3f800000, %eax
    movd %eax, %xmm0
    xorps %xmm1, %xmm1
    AT
    divss %xmm1, %xmm0
    END

    PROBE "kernel #AC: misaligned with AC set", AC, arg=PAGE_RW, flags=PROBE_AC|PROBE_EXTRA
    pushf
    orl $0x40000, (%rsp)
    popf
    AT
    mov 1(%rdi), %eax
    END

    PROBES_END kernel_exceptions
