/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of mappings and of code, made by one vCPU while the others use them. */
#include "hypercall.h"
#include "kernels/smp/cpu.h"
#include "mm.h"
#include "runtime.h"

#define FRAMES 8
#define ROUNDS (30 * scale)

/* Mapped in turn at "window"; each is also mapped where it lies, so that it can be filled. */
static u64 frames[FRAMES][PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));
static u64 window[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));

/* What is certain by now. Odd: in between. */
static struct {
    u64 state __attribute__((aligned(64)));
    u64 stop;
} now;

#define ALL_CPUS (~0ul)
static const u64 all_cpus = ALL_CPUS;

/* ---- TLB shootdown ----------------------------------------------------------------------------------------------- */

enum way { INVLPG_ALL, FLUSH_ALL, INVLPG_SET, FLUSH_SET, EXT_INVLPG_ALL, EXT_FLUSH_ALL, EXT_INVLPG_SET, EXT_FLUSH_SET };

/* Changes the window's entry, and returns when nobody uses the old one any more. */
static void change(enum way way, u64 pte) {
    static const u64 flags[] = {UVMF_INVLPG | UVMF_ALL, UVMF_TLB_FLUSH | UVMF_ALL, UVMF_INVLPG, UVMF_TLB_FLUSH};
    u64 flag = way <= FLUSH_ALL ? flags[way] : way <= FLUSH_SET ? flags[way] | (u64)&all_cpus : UVMF_NONE;
    must_succeed("update_va_mapping", hv_update_va_mapping((u64)window, pte, flag));
    if (way >= EXT_INVLPG_ALL) {
        static const u32 commands[] = {MMUEXT_INVLPG_ALL, MMUEXT_TLB_FLUSH_ALL, MMUEXT_INVLPG_MULTI,
                                       MMUEXT_TLB_FLUSH_MULTI};
        struct mmuext_op op = {
            .cmd = commands[way - EXT_INVLPG_ALL], .arg1 = (u64)window, .arg2 = (u64)&all_cpus};
        must_succeed("mmuext_op", hv_mmuext_op(&op, 1));
    }
}

static void set_state(u64 state) {
    __atomic_store_n(&now.state, state, __ATOMIC_SEQ_CST);
}

/* Lets every other vCPU look at least twice. */
static void let_look(void) {
    u64 seen[MAX_CPUS];
    for (u32 i = 1; i < cpu_count; i++) {
        seen[i] = READ_ONCE(cpus[i].progress);
    }
    for (u32 i = 1; i < cpu_count; i++) {
        SPIN_UNTIL(READ_ONCE(cpus[i].progress) >= seen[i] + 2);
    }
}

/* Every so often the others get the processor, if there are fewer than vCPUs. */
static void looked(struct cpu *cpu) {
    WRITE_ONCE(cpu->progress, cpu->progress + 1);
    if (cpu->progress % 32 == 0) {
        hv_sched_op(SCHEDOP_YIELD, NULL);
    }
}

/* Remapping: the word at the window is never older than what was certain before it was read. */
static void job_read_window(struct cpu *cpu) {
    while (!READ_ONCE(now.stop)) {
        u64 certain = READ_ONCE(now.state);
        u64 got = probe_read(window);
        if (got < certain) {
            cpu_expect(cpu, "the new page", certain, got);
        }
        looked(cpu);
    }
}

static void start_job(job what) {
    now.stop = 0;
    set_state(0);
    job_start(what);
}

static void end_job(void) {
    WRITE_ONCE(now.stop, 1);
    job_wait();
    change(FLUSH_ALL, make_pte(va_to_mfn(window), PTE_KERNEL_RW));
}

static void check_remapping(const char *name, enum way way) {
    if (!check_start(name)) {
        return;
    }
    start_job(job_read_window);
    for (u64 round = 1; round <= ROUNDS; round++) {
        u64 *frame = frames[round % FRAMES];
        WRITE_ONCE(*frame, round);
        change(way, make_pte(va_to_mfn(frame), round % 3 == 0 ? PTE_KERNEL_RO : PTE_KERNEL_RW));
        set_state(round);
        check_equal("own view of the new page", round, probe_read(window));
        let_look();
    }
    end_job();
    check_end();
}

/*
 * Unmapping and write protection. The state's low bits say what holds: 0 mapped writable, 2 nothing mapped, 4 mapped
 * read-only; odd while it changes. An access between two equal even readings must have gone as the state says.
 */
static void job_probe_window(struct cpu *cpu) {
    while (!READ_ONCE(now.stop)) {
        u64 before = READ_ONCE(now.state);
        bool writes = cpu->progress % 2;
        u64 got = writes ? probe_write(&window[cpu->id], before) : probe_read(&window[cpu->id]);
        compiler_barrier();
        if (before % 2 == 0 && before == READ_ONCE(now.state)) {
            bool faults = before % 8 == 2 || (before % 8 == 4 && writes);
            cpu_expect(cpu, writes ? "whether writing faults" : "whether reading faults", faults, got == FAULTED);
        }
        looked(cpu);
    }
}

static void check_unmapping(const char *name, enum way way) {
    static const u64 states[] = {0, 2, 0, 4, 2, 4};
    if (!check_start(name)) {
        return;
    }
    start_job(job_probe_window);
    u64 mfn = va_to_mfn(window);
    for (u64 round = 1; round <= ROUNDS; round++) {
        u64 next = states[round % ARRAY_LENGTH(states)];
        set_state(8 * round + 1);
        change(way, next == 0 ? make_pte(mfn, PTE_KERNEL_RW) : next == 2 ? 0 : make_pte(mfn, PTE_KERNEL_RO));
        set_state(8 * round + next);
        let_look();
    }
    set_state(1);
    end_job();
    check_end();
}

/*
 * A page that others were writing to becomes a page table at once: no write may get through any more. What they write is
 * another word each time, and an entry that is not present, so that a table may hold what came in time.
 */
static void job_write_window(struct cpu *cpu) {
    while (!READ_ONCE(now.stop)) {
        probe_write(&window[cpu->id], 0x1bad000000000000 | (cpu->progress & 0xffffffff) << PAGE_SHIFT);
        looked(cpu);
    }
}

static void check_page_becomes_table(void) {
    if (!check_start("a-page-becomes-a-table")) {
        return;
    }
    start_job(job_write_window);
    u64 mfn = va_to_mfn(frames[0]);
    for (u64 round = 1; round <= ROUNDS; round++) {
        must_succeed("update_va_mapping", hv_update_va_mapping((u64)window, make_pte(mfn, PTE_KERNEL_RW), UVMF_NONE));
        let_look();
        must_succeed("update_va_mapping", hv_update_va_mapping((u64)window, 0, UVMF_NONE)); /* no flush asked for */
        must_succeed("update_va_mapping",
                     hv_update_va_mapping((u64)frames[0], make_pte(va_to_mfn(window), PTE_KERNEL_RW), UVMF_INVLPG | UVMF_ALL));
        must_succeed("update_va_mapping",
                     hv_update_va_mapping((u64)frames[0], make_pte(mfn, PTE_KERNEL_RW), UVMF_INVLPG | UVMF_ALL));
        for (u32 i = 0; i < PAGE_SIZE / 8; i++) {
            WRITE_ONCE(frames[0][i], 0);
        }
        mm_make_read_only(frames[0]);
        struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = mfn};
        must_succeed("pin", hv_mmuext_op(&pin, 1));
        u64 entries[MAX_CPUS];
        for (u32 i = 0; i < cpu_count; i++) {
            entries[i] = READ_ONCE(frames[0][i]);
        }
        let_look();
        for (u32 i = 0; i < cpu_count; i++) {
            check_equal("entry of the table", entries[i], READ_ONCE(frames[0][i]));
        }
        struct mmuext_op unpin = {.cmd = MMUEXT_UNPIN_TABLE, .arg1 = mfn};
        must_succeed("unpin", hv_mmuext_op(&unpin, 1));
        must_succeed("update_va_mapping",
                     hv_update_va_mapping((u64)frames[0], make_pte(mfn, PTE_KERNEL_RW), UVMF_INVLPG | UVMF_ALL));
    }
    end_job();
    check_end();
}

void check_mappings(void) {
    check_remapping("remap-with-INVLPG-on-all", INVLPG_ALL);
    check_remapping("remap-with-TLB_FLUSH-on-all", FLUSH_ALL);
    check_remapping("remap-with-INVLPG-on-a-set", INVLPG_SET);
    check_remapping("remap-with-TLB_FLUSH-on-a-set", FLUSH_SET);
    check_remapping("remap-then-INVLPG_ALL", EXT_INVLPG_ALL);
    check_remapping("remap-then-TLB_FLUSH_ALL", EXT_FLUSH_ALL);
    check_remapping("remap-then-INVLPG_MULTI", EXT_INVLPG_SET);
    check_remapping("remap-then-TLB_FLUSH_MULTI", EXT_FLUSH_SET);
    check_unmapping("unmap-and-protect-with-INVLPG-on-all", INVLPG_ALL);
    check_unmapping("unmap-and-protect-then-TLB_FLUSH_MULTI", EXT_FLUSH_SET);
    check_page_becomes_table();
}

/* ---- code ------------------------------------------------------------------------------------------------------ */

/* mov $imm32, %eax; ret, with the immediate aligned, so that it changes at once. */
#define OFFSET 3
#define IMMEDIATE(page) ((u32 *)((char *)(page) + 4))

static void put_function(void *page, u32 value) {
    u8 *code = (u8 *)page + OFFSET;
    WRITE_ONCE(code[0], 0xb8);
    WRITE_ONCE(*IMMEDIATE(page), value);
    WRITE_ONCE(code[5], 0xc3);
}

static ALWAYS_INLINE u32 call(const void *page) {
    u32 result;
    __asm__ volatile("call *%1" : "=a"(result) : "r"((u64)page + OFFSET) : "memory", "cc");
    return result;
}

/* The architecture's way to see code that another processor has written: Intel SDM vol. 3, 9.1.3. */
static ALWAYS_INLINE void serialise(void) {
    u32 a = 0, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}

static void job_call_window(struct cpu *cpu) {
    while (!READ_ONCE(now.stop)) {
        u64 certain = READ_ONCE(now.state);
        serialise();
        u64 got = call(window);
        if (got < certain) {
            cpu_expect(cpu, "the new code", certain, got);
        }
        looked(cpu);
    }
}

enum writer { IN_PLACE, BY_ALIAS, BY_REMAPPING };

static void check_code_change(const char *name, enum writer writer) {
    if (!check_start(name)) {
        return;
    }
    put_function(window, 0);
    for (u32 i = 0; i < FRAMES; i++) {
        put_function(frames[i], 0);
    }
    if (writer == BY_ALIAS) {
        change(FLUSH_ALL, make_pte(va_to_mfn(frames[0]), PTE_KERNEL_RO));
    }
    start_job(job_call_window);
    for (u64 round = 1; round <= ROUNDS; round++) {
        u64 *frame = frames[writer == BY_ALIAS ? 0 : round % FRAMES];
        WRITE_ONCE(*IMMEDIATE(writer == IN_PLACE ? window : frame), (u32)round);
        if (writer == BY_REMAPPING) {
            change(INVLPG_ALL, make_pte(va_to_mfn(frame), PTE_KERNEL_RO));
        }
        set_state(round);
        serialise();
        check_equal("own view of the new code", round, call(window));
        let_look();
    }
    end_job();
    check_end();
}

/* Whole functions, of other instructions and lengths, rewritten while nobody is in them. */
static struct barrier meeting;

static u32 put_variant(u8 *code, u32 round) {
    static const u8 variants[][10] = {
        {0xb8, 1, 0, 0, 0, 0xc3},                /* mov $1, %eax; ret */
        {0x31, 0xc0, 0x83, 0xc0, 2, 0xc3},       /* xor %eax, %eax; add $2, %eax; ret */
        {0x6a, 3, 0x58, 0xc3},                   /* push $3; pop %rax; ret */
        {0xeb, 1, 0xcc, 0xb0, 4, 0x0f, 0xb6, 0xc0, 0xc3}, /* jmp over int3; mov $4, %al; movzbl %al, %eax; ret */
    };
    u32 which = round % ARRAY_LENGTH(variants);
    for (u32 i = 0; i < sizeof variants[0]; i++) {
        WRITE_ONCE(code[i], variants[which][i]);
    }
    return which + 1;
}

static void job_variants(struct cpu *cpu) {
    static u32 expected;
    for (u32 round = 0; round < ROUNDS; round++) {
        if (cpu->id == round % cpu_count) {
            expected = put_variant((u8 *)window + OFFSET, round);
        }
        barrier_wait(&meeting, cpu_count);
        serialise();
        for (u32 i = 0; i < 50; i++) {
            cpu_expect(cpu, "result of the function", READ_ONCE(expected), call(window));
        }
        barrier_wait(&meeting, cpu_count);
    }
}

void check_code(void) {
    check_code_change("code-changed-in-place", IN_PLACE);
    check_code_change("code-changed-through-another-mapping", BY_ALIAS);
    check_code_change("code-replaced-by-remapping", BY_REMAPPING);
    if (check_start("code-rewritten-between-calls")) {
        run_on_all(job_variants);
        check_end();
    }
}
