/* SPDX-License-Identifier: Apache-2.0 */
/* What x86 promises about memory that many use: locked instructions, and the order of plain ones (Intel SDM vol. 3, 9.2). */
#include "console.h"
#include "kernels/smp/cpu.h"
#include "runtime.h"

/* ---- atomics ---------------------------------------------------------------------------------------------------- */

#define ROUNDS (20000 * scale)

static struct {
    u64 added, compared, incremented __attribute__((aligned(64)));
    u64 lock __attribute__((aligned(64)));
    u64 guarded[2];
    u64 wide[2] __attribute__((aligned(64)));
    u64 bits __attribute__((aligned(64)));
    u8 bytes[MAX_CPUS] __attribute__((aligned(64)));
    u16 halves[MAX_CPUS] __attribute__((aligned(64)));
} shared;

/* One 8-byte word across two cache lines, another across two pages. */
static char split[2 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
#define ACROSS_LINES ((u64 *)&split[64 - 3])
#define ACROSS_PAGES ((u64 *)&split[PAGE_SIZE - 5])

static struct barrier start;

static void job_add(struct cpu *cpu) {
    (void)cpu;
    barrier_wait(&start, cpu_count);
    for (u64 i = 0; i < ROUNDS; i++) {
        u64 one = 1;
        __asm__ volatile("lock xadd %0, %1" : "+r"(one), "+m"(shared.added) : : "memory", "cc");
        __asm__ volatile("lock incq %0" : "+m"(shared.incremented) : : "memory", "cc");
    }
}

static void job_compare(struct cpu *cpu) {
    (void)cpu;
    barrier_wait(&start, cpu_count);
    for (u64 i = 0; i < ROUNDS; i++) {
        u64 old = READ_ONCE(shared.compared);
        while (!__atomic_compare_exchange_n(&shared.compared, &old, old + 3, false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST)) {
        }
    }
}

/* CMPXCHG16B: two counters that step together. */
static void job_compare_wide(struct cpu *cpu) {
    barrier_wait(&start, cpu_count);
    for (u64 i = 0; i < ROUNDS / 4; i++) {
        u64 low = READ_ONCE(shared.wide[0]), high = READ_ONCE(shared.wide[1]);
        bool done = false;
        while (!done) {
            __asm__ volatile("lock cmpxchg16b %1"
                             : "=@ccz"(done), "+m"(shared.wide), "+a"(low), "+d"(high)
                             : "b"(low + 1), "c"(high + 2)
                             : "memory");
            if (!done) {
                cpu_expect(cpu, "the second of two that step together", 2 * low, high);
            }
        }
    }
}

static void lock(u64 *word) {
    while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE) != 0) {
        SPIN_UNTIL(READ_ONCE(*word) == 0);
    }
}

static void unlock(u64 *word) {
    compiler_barrier();
    WRITE_ONCE(*word, 0); /* a plain store will do on x86 */
}

static void job_lock(struct cpu *cpu) {
    barrier_wait(&start, cpu_count);
    for (u64 i = 0; i < ROUNDS / 2; i++) {
        lock(&shared.lock);
        u64 a = READ_ONCE(shared.guarded[0]), b = READ_ONCE(shared.guarded[1]);
        cpu_expect(cpu, "the second of two under a lock", a, b);
        WRITE_ONCE(shared.guarded[0], a + 1);
        WRITE_ONCE(shared.guarded[1], b + 1);
        unlock(&shared.lock);
    }
}

/* Each has a byte, a half word and a bit to itself, in a word that all change: nobody's change may undo another's. */
static void job_neighbours(struct cpu *cpu) {
    u32 id = cpu->id;
    u8 byte = 0;
    u16 half = 0;
    barrier_wait(&start, cpu_count);
    for (u64 i = 0; i < ROUNDS; i++) {
        if (id % 2 == 0) {
            __asm__ volatile("lock incb %0" : "+m"(shared.bytes[id]) : : "cc");
        } else {
            WRITE_ONCE(shared.bytes[id], byte + 1); /* plain, beside locked ones */
        }
        cpu_expect(cpu, "own byte", (u8)++byte, READ_ONCE(shared.bytes[id]));
        __asm__ volatile("lock addw $3, %0" : "+m"(shared.halves[id]) : : "cc");
        half += 3;
        cpu_expect(cpu, "own half word", half, READ_ONCE(shared.halves[id]));
        bool was;
        __asm__ volatile("lock btcq %2, %1" : "=@ccc"(was), "+m"(shared.bits) : "r"((u64)id) : "memory");
        cpu_expect(cpu, "own bit", i % 2, was);
    }
}

static void job_split(struct cpu *cpu) {
    (void)cpu;
    barrier_wait(&start, cpu_count);
    for (u64 i = 0; i < ROUNDS / 4; i++) {
        u64 step = 0x0101010101; /* carries cross every byte */
        __asm__ volatile("lock xadd %0, %1" : "+r"(step), "+m"(*ACROSS_LINES) : : "memory", "cc");
        __asm__ volatile("lock addq %1, %0" : "+m"(*ACROSS_PAGES) : "r"(0x0101010101) : "memory", "cc");
    }
}

void check_atomics(void) {
    if (check_start("LOCK-XADD-and-INC")) {
        run_on_all(job_add);
        check_equal("sum of XADD", ROUNDS * cpu_count, shared.added);
        check_equal("sum of INC", ROUNDS * cpu_count, shared.incremented);
        check_end();
    }
    if (check_start("LOCK-CMPXCHG")) {
        run_on_all(job_compare);
        check_equal("sum", 3 * ROUNDS * cpu_count, shared.compared);
        check_end();
    }
    if (check_start("LOCK-CMPXCHG16B")) {
        run_on_all(job_compare_wide);
        check_equal("first sum", ROUNDS / 4 * cpu_count, shared.wide[0]);
        check_equal("second sum", 2 * (ROUNDS / 4) * cpu_count, shared.wide[1]);
        check_end();
    }
    if (check_start("spinlock")) {
        run_on_all(job_lock);
        check_equal("sum", ROUNDS / 2 * cpu_count, shared.guarded[0]);
        check_end();
    }
    if (check_start("neighbours-in-a-word")) {
        run_on_all(job_neighbours);
        check_end();
    }
    if (check_start("LOCK-across-lines-and-pages")) {
        run_on_all(job_split);
        check_equal("sum across lines", 0x0101010101ul * (ROUNDS / 4) * cpu_count, *ACROSS_LINES);
        check_equal("sum across pages", 0x0101010101ul * (ROUNDS / 4) * cpu_count, *ACROSS_PAGES);
        check_end();
    }
}

/* ---- order ----------------------------------------------------------------------------------------------------- */

/*
 * Each pair of vCPUs plays the litmus test many times in a batch, on one slot after the other, so that a batch needs one
 * meeting only. Slots hold the number of the batch: nothing is cleared, and "not yet written" is "smaller".
 */
#define SLOTS 1024
#define BATCHES (100 * scale)
#define MESSAGES (2000 * scale)
#define MESSAGE_SLOTS 64

static struct table {
    u64 x[SLOTS], y[SLOTS], seen[2][SLOTS];
    u64 data[MESSAGE_SLOTS], flag[MESSAGE_SLOTS], done;
    struct barrier meeting;
    u64 reordered;
} tables[MAX_CPUS / 2] __attribute__((aligned(PAGE_SIZE)));

static bool paired(const struct cpu *cpu) {
    return (cpu->id | 1) < cpu_count;
}

/* Store data, store flag; load flag, load data: who sees the flag sees the data. No fence, no lock. */
static void job_messages(struct cpu *cpu) {
    struct table *t = &tables[cpu->id / 2];
    if (!paired(cpu)) {
        return;
    }
    barrier_wait(&t->meeting, 2);
    if (cpu->id % 2 == 0) {
        for (u64 round = 1; round <= MESSAGES; round++) {
            for (u32 i = 0; i < MESSAGE_SLOTS; i++) {
                WRITE_ONCE(t->data[i], round);
                WRITE_ONCE(t->flag[i], round);
            }
        }
        WRITE_ONCE(t->done, 1);
    } else {
        for (u32 spins = 1; !READ_ONCE(t->done); spins++) {
            u64 newest = 0;
            for (u32 i = 0; i < MESSAGE_SLOTS; i++) {
                u64 flag = READ_ONCE(t->flag[i]);
                u64 data = READ_ONCE(t->data[i]);
                if (data < flag) {
                    cpu_expect(cpu, "data as new as the flag", flag, data);
                }
                cpu_expect(cpu, "older than what was seen", 0, READ_ONCE(t->flag[i]) < flag);
                newest = flag;
            }
            (void)newest;
        }
    }
}

enum fence { NONE, MFENCE, LOCKED, XCHG };

static ALWAYS_INLINE void store_buffer(u64 *mine, const u64 *other, u64 *seen, u64 batch, enum fence fence) {
    for (u32 i = 0; i < SLOTS; i++) {
        if (fence == XCHG) {
            u64 value = batch;
            __asm__ volatile("xchg %0, %1" : "+r"(value), "+m"(mine[i]) : : "memory");
        } else {
            WRITE_ONCE(mine[i], batch);
        }
        if (fence == MFENCE) {
            __asm__ volatile("mfence" ::: "memory");
        }
        if (fence == LOCKED) {
            __asm__ volatile("lock orl $0, -4(%%rsp)" ::: "memory", "cc");
        }
        seen[i] = READ_ONCE(other[i]);
    }
}

static void play_store_buffer(struct cpu *cpu, enum fence fence) {
    struct table *t = &tables[cpu->id / 2];
    if (!paired(cpu)) {
        return;
    }
    bool first = cpu->id % 2 == 0;
    u64 *mine = first ? t->x : t->y, *other = first ? t->y : t->x, *seen = t->seen[cpu->id % 2];
    for (u64 batch = 1; batch <= BATCHES; batch++) {
        barrier_wait(&t->meeting, 2);
        switch (fence) {
        case NONE: store_buffer(mine, other, seen, batch, NONE); break;
        case MFENCE: store_buffer(mine, other, seen, batch, MFENCE); break;
        case LOCKED: store_buffer(mine, other, seen, batch, LOCKED); break;
        case XCHG: store_buffer(mine, other, seen, batch, XCHG); break;
        }
        barrier_wait(&t->meeting, 2);
        for (u32 i = 0; first && i < SLOTS; i++) {
            if (t->seen[0][i] < batch && t->seen[1][i] < batch) {
                t->reordered++;
            }
        }
    }
    if (fence != NONE && first) {
        cpu_expect(cpu, "loads before both stores", 0, t->reordered);
    }
}

static void job_no_fence(struct cpu *cpu) {
    play_store_buffer(cpu, NONE);
}

static void job_mfence(struct cpu *cpu) {
    play_store_buffer(cpu, MFENCE);
}

static void job_locked(struct cpu *cpu) {
    play_store_buffer(cpu, LOCKED);
}

static void job_xchg(struct cpu *cpu) {
    play_store_buffer(cpu, XCHG);
}

/* Load one, store the other, both ways round: not both loads may see what comes after. */
static void job_load_buffer(struct cpu *cpu) {
    struct table *t = &tables[cpu->id / 2];
    if (!paired(cpu)) {
        return;
    }
    bool first = cpu->id % 2 == 0;
    u64 *mine = first ? t->x : t->y, *other = first ? t->y : t->x, *seen = t->seen[cpu->id % 2];
    for (u64 batch = 1; batch <= BATCHES; batch++) {
        barrier_wait(&t->meeting, 2);
        for (u32 i = 0; i < SLOTS; i++) {
            seen[i] = READ_ONCE(other[i]);
            WRITE_ONCE(mine[i], batch);
        }
        barrier_wait(&t->meeting, 2);
        for (u32 i = 0; first && i < SLOTS; i++) {
            cpu_expect(cpu, "stores before both loads", 0, t->seen[0][i] == batch && t->seen[1][i] == batch);
        }
    }
}

/* Two write, two read in opposite order: all agree on which write was first. */
static u64 seen_by[2][2][SLOTS];

static void job_two_writers(struct cpu *cpu) {
    struct table *t = &tables[0];
    for (u64 batch = 1; cpu->id < 4 && batch <= BATCHES; batch++) {
        barrier_wait(&t->meeting, 4);
        for (u32 i = 0; i < SLOTS; i++) {
            switch (cpu->id) {
            case 0: WRITE_ONCE(t->x[i], batch); break;
            case 1: WRITE_ONCE(t->y[i], batch); break;
            case 2:
                seen_by[0][0][i] = READ_ONCE(t->x[i]);
                seen_by[0][1][i] = READ_ONCE(t->y[i]);
                break;
            default:
                seen_by[1][0][i] = READ_ONCE(t->y[i]);
                seen_by[1][1][i] = READ_ONCE(t->x[i]);
            }
        }
        barrier_wait(&t->meeting, 4);
        for (u32 i = 0; cpu->id == 0 && i < SLOTS; i++) {
            bool x_first = seen_by[0][0][i] == batch && seen_by[0][1][i] < batch;
            bool y_first = seen_by[1][0][i] == batch && seen_by[1][1][i] < batch;
            cpu_expect(cpu, "two orders of the same writes", 0, x_first && y_first);
        }
    }
}

static void clear_tables(void) {
    for (u32 pair = 0; pair < MAX_CPUS / 2; pair++) {
        struct table *t = &tables[pair];
        t->done = t->reordered = 0;
        for (u32 i = 0; i < SLOTS; i++) {
            t->x[i] = t->y[i] = t->seen[0][i] = t->seen[1][i] = 0;
        }
        for (u32 i = 0; i < MESSAGE_SLOTS; i++) {
            t->data[i] = t->flag[i] = 0;
        }
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void check_order(const char *name, job what) {
    if (check_start(name)) {
        clear_tables();
        run_on_all(what);
        check_end();
    }
}

void check_ordering(void) {
    check_order("message-passing", job_messages);
    check_order("store-buffer-with-MFENCE", job_mfence);
    check_order("store-buffer-with-LOCK", job_locked);
    check_order("store-buffer-with-XCHG", job_xchg);
    check_order("store-buffer-without-fence", job_no_fence);
    u64 reordered = 0;
    for (u32 pair = 0; pair < MAX_CPUS / 2; pair++) {
        reordered += tables[pair].reordered;
    }
    printf("smp: without a fence %lu loads came before both stores, as they may\n", reordered);
    check_order("load-buffer", job_load_buffer);
    if (cpu_count >= 4) {
        check_order("independent-reads-of-two-writes", job_two_writers);
    }
}
