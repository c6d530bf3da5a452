/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first instructions of a kernel, the notes by which the domain builder knows it, and the pages that the
 * hypervisor or a backend writes to.
 *
 * On entry (xen-pv-abi.md, 2.5 step 8): long mode, ring 3, flat segments, RSI = start_info, RSP = the end of a stack
 * page, events masked, no trap handlers. The boot stack is a single page, so the first thing is a larger one.
 */

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    cld
    mov $kernel_stack_end, %rsp
    xor %ebp, %ebp
    mov %rsi, %rdi
    call runtime_start
    ud2

/*
 * Filled before the kernel starts. Until then INT3: a hypervisor that ignored the note shows up at the first call as
 * an unhandled breakpoint, not as a call that seems to succeed.
 */
    .section .hypercall_page, "ax", @progbits
    .balign 4096
    .globl hypercall_page
hypercall_page:
    .fill 4096, 1, 0xcc

/*
 * Pages of our own whose mappings are replaced by frames that the hypervisor names (start_info, setup_table). Defined
 * here and not in C so that the compiler cannot conclude that nobody ever writes to them.
 */
    .macro FOREIGN_PAGE name
    .section .bss.\name, "aw", @nobits
    .balign 4096
    .globl \name
\name:
    .skip 4096
    .endm

    FOREIGN_PAGE shared_info
    FOREIGN_PAGE console_ring
    FOREIGN_PAGE xenstore_ring
    FOREIGN_PAGE grant_table

    .section .bss.kernel_stack, "aw", @nobits
    .balign 4096
    .skip 16384
kernel_stack_end:

/* ELF notes, xen-pv-abi.md 2.2. */
    .macro NOTE type, value:vararg
    .section .note.Xen, "a", @note
    .balign 4
    .long 2f - 1f, 4f - 3f, \type
1:  .asciz "Xen"
2:  .balign 4
3:  \value
4:  .balign 4
    .endm

    NOTE 6, .asciz "Domus guest kernel"            /* GUEST_OS */
    NOTE 7, .asciz "1"                             /* GUEST_VERSION */
    NOTE 8, .asciz "generic"                       /* LOADER */
    NOTE 5, .asciz "xen-3.0"                       /* XEN_VERSION */
    NOTE 3, .quad VIRT_BASE                        /* VIRT_BASE: page 0 appears here */
    NOTE 4, .quad 0                                /* PADDR_OFFSET: p_paddr counts from 0 */
    NOTE 1, .quad _start                           /* ENTRY */
    NOTE 2, .quad hypercall_page                   /* HYPERCALL_PAGE */
    NOTE 10, .asciz "!writable_page_tables|pae_pgdir_above_4gb" /* FEATURES */
    NOTE 9, .asciz "yes"                           /* PAE_MODE */
#ifdef INIT_P2M
    NOTE 15, .quad INIT_P2M                        /* where the P2M list is to be mapped */
#endif
#ifdef MOD_START_PFN
    NOTE 16, .long MOD_START_PFN                   /* the ramdisk need not be mapped */
#endif
