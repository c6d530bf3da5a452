/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A probe: a few instructions, one of which should trap, and what the trap must look like. Shared by C and assembly.
 *
 * A probe runs in kernel or in user mode, on a stack of its own, with every register but RDI holding a known value. It ends
 * at its first trap. Then vector, error code, RIP, CS, SS, RSP, RFLAGS, the saved event mask, the place of the frame and
 * every register that a probe may not change (all but RAX, RDX, RSI, RDI) are compared; for a page fault CR2 too, which
 * must be what RDI holds, and for #DB the status bits of DR6.
 */
#ifndef PROBE_H
#define PROBE_H

#include "entry_vectors.h"
#include "user.h"

/* What differs from the rule; the start state first, then the expectations. */
#define PROBE_EVENTS_OFF 0x001 /* starts with events masked */
#define PROBE_TS 0x002         /* starts with CR0.TS set */
#define PROBE_START_TF 0x004   /* starts single-stepping */
#define PROBE_BREAKPOINT 0x008 /* a write to the 8 bytes at RDI is watched by DR0 */
#define PROBE_TF 0x010         /* the frame shows TF */
#define PROBE_AC 0x020         /* the frame shows AC */
#define PROBE_ANY_P 0x040      /* whether the page is present is the hypervisor's affair */
#define PROBE_RIP_IS_ARG 0x080 /* the trap is at the address in RDI: execution went there */
#define PROBE_REGS_FREE 0x100  /* may change any register */
#define PROBE_OWN_CS 0x200     /* the frame shows the code segment of the guest's own GDT */
#define PROBE_SYSCALL 0x400    /* RCX and R11 hold RIP and RFLAGS */
#define PROBE_NO_MASK 0x800    /* the gate does not mask events */
#define PROBE_FLAGS 0x1000     /* the frame shows exactly the RFLAGS that are in detail */
#define PROBE_EXTRA 0x2000     /* only with "extra" on the command line */
#define PROBE_BY_CHECK 0x4000  /* run by checks.c, which prepares something or looks at more */

#define ALL_FLAGS 0x44ed7 /* CF PF AF ZF SF IF DF OF NT AC, and bit 1 */

/* Pages in user space, seen by the kernel too. */
#define USER_CODE (USER_BASE + 0x00000)
#define USER_STACK_END (USER_BASE + 0x20000)
#define PAGE_RW (USER_BASE + 0x20000)
#define PAGE_ABSENT (USER_BASE + 0x21000) /* right behind PAGE_RW */
#define PAGE_RO (USER_BASE + 0x22000)
#define PAGE_NX (USER_BASE + 0x23000)
#define PAGE_NO_U (USER_BASE + 0x24000) /* mapped without the U bit, which the hypervisor adds */

#define NON_CANONICAL 0x8000000000000000
#define HYPERVISOR_ADDRESS 0xffff828000000000 /* slot 261: the hypervisor's own */
#define M2P_ADDRESS 0xffff800000000000

/* Selectors of the guest's own GDT, and the descriptors behind them (environment.c). */
#define SEL_DATA 0x0b
#define SEL_ABSENT 0x13
#define SEL_EXECUTE_ONLY 0x1b
#define SEL_EMPTY 0x23
#define SEL_CODE 0x2b
#define SEL_LDT 0x07 /* in an LDT that is empty */

/* Vectors for INT n. */
#define INT_KERNEL 0x20  /* allowed to the kernel */
#define INT_NOBODY 0x21  /* allowed to nobody */
#define INT_NO_MASK 0x22 /* allowed to the kernel; does not mask events */
#define INT_ANYBODY 0x80 /* allowed to user mode too */

#ifdef __ASSEMBLER__

/* Vectors and error codes, for the tables. */
#define DE 0
#define DB 1
#define BP 3
#define OF 4
#define UD 6
#define NM 7
#define NP 11
#define SS 12
#define GP 13
#define PF 14
#define MF 16
#define AC 17
#define XM 19

#define PF_P 1
#define PF_W 2
#define PF_U 4
#define PF_I 16

/* The error code of an INT that is not allowed. */
#define INT_ERROR(vector) ((vector) << 3 | 2)

/*
 * PROBES table opens a file of probes and PROBES_END closes it; tables.c lists the tables.
 *
 * PROBE name, vector, ... starts a probe, AT stands before the place that RIP must show, END ends it with an UD2: one that
 * did not trap is found out there.
 *
 * RUNS name, ... starts a probe that must not trap. It reaches the UD2 of END_RUNS; MISMATCH_IF cc ends it elsewhere.
 *
 * The including file says at which address the code will run, RUNS_AT, where it is linked, LINKED_AT, and the section of
 * its table, PROBE_TABLE.
 */
    .macro PROBES table:req
    .pushsection PROBE_TABLE, "a", @progbits
    .balign 8
    .globl \table\()_probes
\table\()_probes:
    .popsection
    .endm

    .macro PROBES_END table:req
    .pushsection PROBE_TABLE, "a", @progbits
    .globl \table\()_probes_end
\table\()_probes_end:
    .popsection
    .endm

    .macro PROBE name:req, vector:req, error=0, arg=0, flags=0, detail=0
    .pushsection .rodata.probe_names, "a", @progbits
100: .asciz "\name"
    .popsection
    .pushsection PROBE_TABLE, "a", @progbits
    .quad 100b, RUNS_AT + (101f - LINKED_AT), RUNS_AT + (102f - LINKED_AT), \arg
    .long \vector, \error, \flags, \detail
    .popsection
101:
    .endm

    .macro AT
102:
    .endm

    .macro END
    ud2
    .endm

    .macro RUNS name:req, arg=0, flags=0
    PROBE "\name", UD, 0, \arg, \flags
    .endm

    .macro MISMATCH_IF condition
    j\condition 103f
    .endm

    .macro END_RUNS
102:
    ud2
103:
    int3
    .endm

#else

#include "traps.h"

struct probe {
    const char *name;
    u64 start, at, arg;
    u32 vector, error, flags, detail;
};
_Static_assert(sizeof(struct probe) == 48, "the PROBE macro writes this structure");

enum mode { KERNEL, USER };

struct probe_table {
    const struct probe *first, *end;
    enum mode mode;
};

/* tables.c */
#define PROBE_TABLES 4
extern const struct probe_table probe_tables[PROBE_TABLES];
const struct probe *probe_named(const char *name);

/* The last trap. */
struct trap_seen {
    struct frame frame;
    u64 frame_address;
    u64 cr2;
    u64 handler_rflags;
    u8 handler_mask;
};
extern struct trap_seen seen;

/* run.c: before the first probe. */
void probe_init(void);

/* run.c: runs a probe until its first trap, and puts that into seen. */
void probe_run(const struct probe *probe, enum mode mode);

/* run.c: runs it, and reports whether what came is what should have come. */
void probe_check(const struct probe *probe, enum mode mode);

/* run.c: the next trap is this function's, and the probe goes on with the frame that it leaves. */
void probe_at_next_trap(trap_handler handler);

/* report.c: a result. Of several comparisons of one check, the first that fails is the one that is told. */
void check_start(const char *name);
void check_equal(const char *what, u64 expected, u64 got);
void check_end(void);
bool check_is_wanted(const char *name, u32 flags);
unsigned report_total(void); /* prints the last line; returns how many failed */

/* environment.c: pages, descriptors, gates. checks.c: what is more than a line in a table. */
void environment_init(void *trap_stack_end);
void run_checks(void);

#endif

#endif
