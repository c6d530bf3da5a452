/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile: attacks the hypervisor from inside. Every attack has an answer that the hypervisor owes; a line says whether it
 * gave it. After each group the kernel looks through its own page tables for what it should not have got.
 *
 * "hostile: ok  NAME" or "hostile: FAIL NAME: ..." a check, then "hostile: N passed, M failed". Powers off if nothing failed,
 * else crashes.
 *
 *     only=GROUP   one group: frames entries tables linear descriptors pointers counts reservations grants ports processor
 *                  sweep
 *     trace        say which group comes
 *     steps=N      instead: N hypercalls with arguments made up by a random generator
 *     seed=N       where the generator starts (1); the same seed makes the same calls
 *     die=WAY      instead: do what a domain cannot survive, and nobody else may notice: stack callback iret user-table
 *                  no-handler kernel-stack base-pointer
 *
 *     vcpus=N      how many of the domain's vCPUs take part (all, at most 8)
 *     rounds=N     how many rounds a race has (300)
 *
 *     role=first|second peer=DOMID   instead: with another domain that does the same, see hostile/league.c
 *
 * With more than one vCPU the groups are: races doublefetch.
 *
 * The calls that would be legal and end this kernel (unmapping its code, closing its console's port) are not made.
 */
#include "cmdline.h"
#include "console.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"

static const struct group {
    const char *name;
    void (*attack)(void);
} groups[] = {
    {"frames", attack_frames},
    {"entries", attack_entries},
    {"tables", attack_tables},
    {"linear", attack_linear},
    {"descriptors", attack_descriptors},
    {"pointers", attack_pointers},
    {"counts", attack_counts},
    {"reservations", attack_reservations},
    {"grants", attack_grants},
    {"ports", attack_ports},
    {"processor", attack_processor},
    {"sweep", attack_by_sweep},
};

/* What needs other vCPUs. */
static const struct {
    const char *name;
    void (*attack)(u64 rounds);
} races[] = {
    {"races", attack_races},
    {"doublefetch", attack_double_fetches},
};

static void race(u64 rounds) {
    cpus_bring_up();
    printf("hostile: %u vCPUs, %lu rounds\n", cpu_count, rounds);
    for (size_t i = 0; i < ARRAY_LENGTH(races); i++) {
        if (group_is_wanted(races[i].name)) {
            races[i].attack(rounds);
            world_check(races[i].name);
        }
    }
}

void kernel_main(void) {
    faulting_init();
    world_init();
    cpus_count();
    char way[20];
    if (cmdline_string("die", way, sizeof way)) {
        attack_deadly(way);
        panic("die=%s: still alive", way);
    }
    u64 steps = cmdline_u64("steps", 0);
    if (attack_in_league()) {
        printf("hostile: the league has done its work\n");
    } else if (steps != 0) {
        attack_at_random(cmdline_u64("seed", 1), steps);
    } else if (cpu_count > 1) {
        race(cmdline_u64("rounds", 300));
    } else {
        for (size_t i = 0; i < ARRAY_LENGTH(groups); i++) {
            if (group_is_wanted(groups[i].name)) {
                groups[i].attack();
                world_check(groups[i].name);
            }
        }
    }
    if (checks_total() > 0) {
        crash();
    }
}
