/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User mode.
 *
 * A PV guest's user mode runs in ring 3 like its kernel; what keeps the two apart is a second top-level page table, which
 * the hypervisor loads on the way to user mode and drops on the way back (xen-pv-abi.md, 1 and 5.7). Here that table has
 * one slot in common with the kernel's: the 512 GiB from USER_BASE. What is mapped there is seen by both, the kernel's
 * own memory by the kernel alone.
 *
 * To run user code: user_init(), mm_map() its pages, fill a struct frame with cs = FLAT_CS and ss = FLAT_SS, and
 * frame_resume() it. It comes back as a trap, or as VECTOR_SYSCALL when it executes SYSCALL.
 */
#ifndef USER_H
#define USER_H

#define USER_BASE 0x0000008000000000

#ifndef __ASSEMBLER__
#include "types.h"

/* The user code that is linked into the image (section .user_text), page-aligned. */
extern char user_text_start[], user_text_end[];

/* Traps from user mode start on this stack; it must not be the one that frame_resume() is called on. */
void user_init(void *trap_stack_end);
#endif

#endif
