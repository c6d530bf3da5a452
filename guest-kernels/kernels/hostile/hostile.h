/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attacks share: results, a playground of memory that may be broken, and instructions that may fault.
 *
 * An attack group is a function that makes its attacks, checks each answer, and leaves the domain as it found it. After each
 * group world_check() looks whether the hypervisor let something through that no answer showed.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "hypercall.h"
#include "mm.h"
#include "traps.h"

/* ---- report.c: a line a check ---------------------------------------------------------------------------------- */

/* Whether the command line asks for the group. */
bool group_is_wanted(const char *group);

void check(const char *name, bool ok, s64 got);
void check_result(const char *name, s64 expected, s64 got);

/* Any error will do. */
void check_refused(const char *name, s64 got);
unsigned checks_total(void);

/* ---- world.c: the domain's memory, and whether it is still whole ------------------------------------------------ */

/* Addresses in a top-level slot of their own: nothing there is needed by the kernel. Tables exist for the first 2 MiB. */
#define PLAY 0x0000010000000000ul
#define PLAY_PAGES 512

/* Tables of PLAY's first page, from level 4 down to 1, as the initial mapping shows them (read-only). */
extern u64 *play_table[5];

void world_init(void);

/* Whether a frame is the domain's own by what the domain remembers, not by what anybody says. */
bool is_mine(u64 mfn);

/* Frames that the hypervisor shares with the domain and lets it map: the shared page, the grant table. */
bool is_shared_with_me(u64 mfn);

/* The one frame of the domain's grant table. */
extern u64 grant_table_frame;

/* Frames of the machine. */
u64 machine_frames(void);

/* The first frame that is RAM of somebody else. */
u64 foreign_frame(void);

/* A page of the domain's that is mapped nowhere (its number; take from the end of memory). */
u64 spare_pfn(void);

u64 mfn_of_pfn(u64 pfn);
void set_mfn_of_pfn(u64 pfn, u64 mfn);

/* Machine address of a table's slot, given as the initial mapping shows it. */
u64 slot_machine_address(const u64 *slot);

/*
 * Walks all of the domain's page tables and the address space: no table maps a stranger's frame, none is writable, the
 * hypervisor's addresses fault, and mapping still works. One check line.
 */
void world_check(const char *after);

/* A page of the initial mapping, read-only so that it can become a table; and back. Contents are zero. */
u64 *table_page(void);
void table_page_free(u64 *page);

/* Sets a page's own mapping in the initial mapping. */
s64 map_writable(const void *page);
s64 map_read_only(const void *page);

/* ---- the calls that attacks make most --------------------------------------------------------------------------- */

static inline s64 update_entry(u64 machine_address, u64 value) {
    struct mmu_update update = {.ptr = machine_address, .val = value};
    return hv_mmu_update(&update, 1);
}

static inline s64 mmuext(u32 cmd, u64 arg1, u64 arg2) {
    struct mmuext_op op = {.cmd = cmd, .arg1 = arg1, .arg2 = arg2};
    return hv_mmuext_op(&op, 1);
}

/* Level 1 to 4. */
static inline s64 pin(unsigned level, u64 mfn) {
    return mmuext(MMUEXT_PIN_L1_TABLE + level - 1, mfn, 0);
}

static inline s64 unpin(u64 mfn) {
    return mmuext(MMUEXT_UNPIN_TABLE, mfn, 0);
}

s64 reservation(u32 cmd, u64 *list, u64 extents, u32 order);

/* Any number and arguments: not by the hypercall page, whose stubs are chosen when this is compiled. */
static inline s64 hypercall_any(u64 number, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) {
    s64 result;
    register u64 r10 __asm__("r10") = a4;
    register u64 r8 __asm__("r8") = a5;
    __asm__ volatile("syscall"
                     : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                     : "0"(number)
                     : "rcx", "r9", "r11", "memory");
    return result;
}

/* ---- sharing.c: grants ------------------------------------------------------------------------------------------- */

/* The domain's own table of 512 entries, mapped for good; the first 8 are the toolstack's. */
extern volatile struct grant_entry *const own_grants;

void sharing_init(void);
void grant_set(u32 ref, u16 flags, u16 domain, u64 frame);

/* All answer the status, or the call's own error. */
s64 grant_map_at(u16 domain, u32 ref, u64 host, u32 flags, u32 *handle);
s64 grant_unmap_at(u64 host, u64 device, u32 handle);
s64 grant_copy(struct gnttab_copy op);

/* ---- cpus.c: the domain's other vCPUs -------------------------------------------------------------------------- */

#define MAX_CPUS 8

/* How many vCPUs take part, the first included. */
extern u32 cpu_count;

void cpus_count(void);
void cpus_bring_up(void);
void cpu_up(u32 cpu);

/* Which vCPU this is. */
u32 cpu_self(void);

/* What a vCPU starts with. */
struct vcpu_guest_context *cpu_context(u32 cpu);

/* All vCPUs but the first do it again and again, each counting its rounds from 1. */
typedef void (*job)(u32 cpu, u64 round);
void job_start(job what);

/* For vCPU 0: returns when the others have done some more of it. */
void job_proceed(void);

/* Returns when no vCPU is at it any more. */
void job_stop(void);

/* Accesses that may fault, on any vCPU: then the result is PROBE_FAULTED. (others.S) */
#define PROBE_FAULTED 0xfa017edfa017ed00ul
u64 probe_read(const void *at);
u64 probe_write(void *at, u64 value);
u64 probe_write_half(void *at, u64 value);
u64 probe_exchange(void *at, u64 value, u64 expected);
u64 probe_load_ds(u64 selector);
extern char probe_first[], probe_last[], probe_end[];

/* ---- faulting.c: instructions that may trap ---------------------------------------------------------------------- */

void faulting_init(void);

/* How many traps there were, and what the last one was. */
extern u64 traps_seen, last_vector, last_error_code;

/* True if it worked. */
bool try_read(const void *at, u64 *value);
bool try_write(void *at, u64 value);
bool try_execute(const void *at);
bool try_rdmsr(u32 msr, u64 *value);
bool try_wrmsr(u32 msr, u64 value);
bool try_load_ds(u16 selector);
bool try_far_call(u16 selector);

/* The iret hypercall on a frame {rax, r11, rcx, flags, rip, cs, rflags, rsp, ss}; true if it came back at iret_target. */
bool try_iret(const u64 frame[9]);
extern char iret_target[];

/* ---- the groups -------------------------------------------------------------------------------------------------- */

void attack_frames(void);       /* frames.c: every frame that is not the domain's */
void attack_entries(void);      /* entries.c: forged page-table entries */
void attack_tables(void);       /* tables.c: what is a table, and when */
void attack_linear(void);       /* linear.c: tables that show themselves */
void attack_descriptors(void);  /* descriptors.c: GDT and LDT */
void attack_pointers(void);     /* pointers.c: addresses in arguments */
void attack_counts(void);       /* counts.c: lengths in arguments */
void attack_reservations(void); /* reservations.c: giving memory back, and getting it */
void attack_grants(void);       /* grants.c */
void attack_ports(void);        /* ports.c: event channels, and calls that are others' */
void attack_processor(void);    /* processor.c: traps, iret, debug registers, MSRs */
void attack_by_sweep(void);     /* sweep.c: every call, with every bad address; and in others' names */

/* races.c, doublefetch.c: with the other vCPUs, which are at work; rounds is how long. */
void attack_races(u64 rounds);
void attack_double_fetches(u64 rounds);

/* deadly.c: ends the domain, if the hypervisor is right; returns if it is not, or if there is no such way. */
void attack_deadly(const char *way);

/* random.c. Prepared once; the frames of its arena. In league, another domain and its frames are among what is drawn. */
const u64 *random_prepare(void);
void random_league(u16 domain, const u64 *frames, unsigned count);
void attack_at_random(u64 seed, u64 steps);

/* league.c: with another hostile domain. True if the command line names one. */
bool attack_in_league(void);

#endif
