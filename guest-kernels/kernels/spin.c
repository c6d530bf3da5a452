/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spin: uses all the CPU it gets, and says how much that was. For measuring engines and schedulers.
 *
 * One loop is a fixed piece of work: 256 rounds of loads, stores, arithmetic and a branch that no predictor guesses, on
 * a 4 KiB table. The state after N loops depends on N alone, so equal "loops" must show equal checksums, on any engine.
 *
 *     period_ms=N   a progress line every so often (default 500)
 *     seconds=N     stop after so much system time (default 0: never)
 *     loops=N       stop after so many loops (default 0: never)
 */
#include "cmdline.h"
#include "console.h"
#include "runtime.h"
#include "time.h"

#define ROUNDS 256
#define TABLE_WORDS 512

static u64 table[TABLE_WORDS];
static u64 random = 0x9e3779b97f4a7c15;
static u64 checksum;

static void one_loop(void) {
    u64 x = random, sum = checksum;
    for (unsigned i = 0; i < ROUNDS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        u64 *word = &table[x % TABLE_WORDS];
        if (x & 1ul << 40) {
            *word += x;
        } else {
            sum = (sum << 5 | sum >> 59) ^ *word;
        }
    }
    random = x;
    checksum = sum;
}

/* Own share = running / (running + runnable): what the scheduler gave of what was wanted. */
static void print_runstate(void) {
    struct runstate_info info = time_runstate();
    printf(" running=%lu.%03lus runnable=%lu.%03lus blocked=%lu.%03lus", SECONDS_AND_MS(info.time[RUNSTATE_RUNNING]),
           SECONDS_AND_MS(info.time[RUNSTATE_RUNNABLE]), SECONDS_AND_MS(info.time[RUNSTATE_BLOCKED]));
}

static void print_progress(const char *what, u64 elapsed, u64 loops, u64 loops_of_period, u64 period) {
    u64 period_us = period / 1000;
    u64 rate = period_us == 0 ? 0 : loops_of_period * 1000000 / period_us;
    printf("spin: %st=%lu.%03lus loops=%lu rate=%lu/s", what, SECONDS_AND_MS(elapsed), loops, rate);
    print_runstate();
}

void kernel_main(void) {
    u64 period = cmdline_u64("period_ms", 500) * NS_PER_MS;
    u64 limit = cmdline_u64("seconds", 0) * NS_PER_S;
    u64 loops_limit = cmdline_u64("loops", 0);

    u64 start = time_now(), now = start;
    u64 last_line = start, loops_at_last_line = 0, loops = 0;

    while ((limit == 0 || now - start < limit) && (loops_limit == 0 || loops < loops_limit)) {
        one_loop();
        loops++;
        now = time_now();
        if (now - last_line >= period) {
            print_progress("", now - start, loops, loops - loops_at_last_line, now - last_line);
            printf("\n");
            last_line = now;
            loops_at_last_line = loops;
        }
    }
    print_progress("total ", now - start, loops, loops, now - start);
    printf(" checksum=%016lx\n", checksum);
}
