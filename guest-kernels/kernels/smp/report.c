/* SPDX-License-Identifier: Apache-2.0 */
/* Results: a line a check, and the totals. vCPU 0 only. */
#include "cmdline.h"
#include "console.h"
#include "kernels/smp/cpu.h"
#include "string.h"

static const char *current;
static bool failed;
static unsigned passed_total, failed_total;

static bool contains(const char *text, const char *part) {
    size_t length = strlen(part);
    for (; *text != 0; text++) {
        if (strncmp(text, part, length) == 0) {
            return true;
        }
    }
    return length == 0;
}

bool check_start(const char *name) {
    char only[40];
    cmdline_string("only", only, sizeof only);
    current = name;
    failed = false;
    for (u32 i = 0; i < cpu_count; i++) {
        cpus[i].failures = 0;
    }
    if (cmdline_has("trace")) {
        printf("smp: ... %s\n", name);
    }
    return contains(name, only);
}

void check_equal(const char *what, u64 expected, u64 got) {
    if (!failed && expected != got) {
        failed = true;
        printf("smp: FAIL %s: expected %s 0x%lx, got 0x%lx\n", current, what, expected, got);
    }
}

void check_cpus(void) {
    for (u32 i = 0; i < cpu_count; i++) {
        const struct cpu *cpu = &cpus[i];
        if (cpu->failures > 0 && !failed) {
            failed = true;
            printf("smp: FAIL %s: vcpu %u: expected %s 0x%lx, got 0x%lx (%lu such)\n", current, i, cpu->what,
                   cpu->expected, cpu->got, cpu->failures);
        }
    }
}

void check_end(void) {
    check_cpus();
    if (failed) {
        failed_total++;
    } else {
        passed_total++;
        printf("smp: ok  %s\n", current);
    }
}

unsigned report_total(void) {
    printf("smp: %u passed, %u failed\n", passed_total, failed_total);
    return failed_total;
}
