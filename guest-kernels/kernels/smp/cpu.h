/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vCPUs of the smp kernel, what they are told to do, and how results are reported.
 *
 * vCPU 0 leads: it runs the checks one after the other. A check gives all vCPUs a job, run_on_all(), and looks at what they
 * have left behind when all have done it. The others sleep in between, and wake up by an IPI.
 *
 * The vCPUs share one address space and one set of page tables. The kernel's GS base points to struct cpu.
 */
#ifndef CPU_H
#define CPU_H

#include "xen_abi.h"

#define MAX_CPUS 64
#define STACK_SIZE 8192

/* Interrupt vectors of the check of trap tables: INT VECTOR_OWN arrives as VECTOR_FIRST + id. */
#define VECTOR_OWN 0x30
#define VECTOR_FIRST 0x80

struct cpu {
    struct cpu *self; /* at GS:0 */
    u32 id;
    struct vcpu_info *info;
    char *stack_end;
    u64 owned[EVENT_WORDS]; /* the ports that notify this vCPU; the words of the bitmaps are shared */

    u32 work_port;  /* "there is a job" */
    u32 ipi_port;   /* counts into ipis */
    u32 poll_port;  /* masked, for SCHEDOP_poll */
    u32 timer_port; /* VIRQ_TIMER; counts into ticks */

    /* Written by this vCPU, read by all. */
    u32 generation; /* the last job that it has begun */
    u64 upcalls, ipis, ticks, progress;

    /* The first thing that went wrong in a job, and how many did. */
    u64 failures;
    const char *what;
    u64 expected, got;
} __attribute__((aligned(256)));

extern struct cpu cpus[MAX_CPUS];
extern u32 cpu_count;

static inline struct cpu *this_cpu(void) {
    struct cpu *cpu;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/* ---- cpus.c ---- */

typedef void (*job)(struct cpu *cpu);

void cpus_count(void);
void cpus_lead(void);     /* makes vCPU 0 one of ours */
void cpus_bring_up(void); /* and the others */

/* Runs a job on every vCPU, and returns when all have done it. Panics when that takes minutes. */
void run_on_all(job what);

/* The same in two halves, for what vCPU 0 does meanwhile. */
void job_start(job what);
void job_wait(void);

/* Meets count vCPUs. Zeroed at the start; any number of times. */
struct barrier {
    u32 arrived, phase;
} __attribute__((aligned(64)));
void barrier_wait(struct barrier *barrier, u32 count);

/* Waits without sleeping, but lets other vCPUs run: there may be fewer processors than vCPUs. */
#define SPIN_UNTIL(condition)                            \
    do {                                                 \
        u64 give_up_ = 0;                                \
        for (u32 spins_ = 1; !(condition); spins_++) {   \
            relax(spins_, &give_up_, #condition);        \
        }                                                \
    } while (0)
void relax(u32 spins, u64 *give_up, const char *condition);

/* Sleeps; an event announces the condition. Needs events on. */
#define SLEEP_UNTIL(cpu, condition)     \
    do {                                \
        cpu_events_off(cpu);            \
        while (!(condition)) {          \
            hv_sched_op(SCHEDOP_BLOCK, NULL); \
            cpu_events_off(cpu);        \
        }                               \
        cpu_events_on(cpu);             \
    } while (0)
void cpu_events_off(struct cpu *cpu);
void cpu_events_on(struct cpu *cpu);

/* System time as this vCPU has it. */
u64 cpu_now(const struct cpu *cpu);

/* handler NULL: the port stays masked. */
void port_own(struct cpu *cpu, u32 port, void (*handler)(struct cpu *cpu));
void port_close(struct cpu *cpu, u32 port); /* the next to bind may get the same number, for another vCPU */
u32 ipi_bind(u32 cpu);

/* Notes a failure of a job. */
void cpu_expect(struct cpu *cpu, const char *what, u64 expected, u64 got);

/* ---- entry.S ---- */

extern char smp_event_entry[], smp_start[];

/* Access that may fault: then the result is FAULTED. */
u64 probe_read(const u64 *address);
u64 probe_write(u64 *address, u64 value);
extern char probe_read_at[], probe_write_at[], probe_end[];
#define FAULTED 0xfa017edfa017ed00ul

/* ---- report.c ---- */

bool check_start(const char *name); /* false: not wanted */
void check_equal(const char *what, u64 expected, u64 got);
void check_end(void);
void check_cpus(void); /* what the last jobs have noted */
unsigned report_total(void);
extern u64 scale; /* how many times the usual number of rounds */

/* ---- the checks ---- */

void check_enumeration(void);
void check_bring_up(void);
void check_events(void);
void check_atomics(void);
void check_ordering(void);
void check_mappings(void);
void check_code(void);
void check_wake_ups(void);
void check_down_and_up(void);
void check_runstates(void);

#endif
