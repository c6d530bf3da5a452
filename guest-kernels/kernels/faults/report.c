/* SPDX-License-Identifier: Apache-2.0 */
/* Results: a line a check, and the totals. */
#include "cmdline.h"
#include "console.h"
#include "kernels/faults/probe.h"
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

bool check_is_wanted(const char *name, u32 flags) {
    char only[40];
    cmdline_string("only", only, sizeof only);
    return contains(name, only) && (!(flags & PROBE_EXTRA) || cmdline_has("extra"));
}

void check_start(const char *name) {
    current = name;
    failed = false;
    if (cmdline_has("trace")) {
        printf("faults: ... %s\n", name);
    }
}

void check_equal(const char *what, u64 expected, u64 got) {
    if (!failed && expected != got) {
        failed = true;
        printf("faults: FAIL %s: expected %s 0x%lx, got 0x%lx\n", current, what, expected, got);
    }
}

void check_end(void) {
    if (failed) {
        failed_total++;
    } else {
        passed_total++;
        printf("faults: ok  %s\n", current);
    }
}

unsigned report_total(void) {
    printf("faults: %u passed, %u failed\n", passed_total, failed_total);
    return failed_total;
}
