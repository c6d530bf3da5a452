/* SPDX-License-Identifier: Apache-2.0 */
/* Results: a line a check, and the totals. */
#include "cmdline.h"
#include "console.h"
#include "kernels/hostile/hostile.h"
#include "string.h"

static unsigned passed, failed;

bool group_is_wanted(const char *group) {
    char only[40];
    bool wanted = !cmdline_string("only", only, sizeof only) || strcmp(only, group) == 0;
    if (wanted && cmdline_has("trace")) {
        printf("hostile: ... %s\n", group);
    }
    return wanted;
}

static void pass(const char *name) {
    passed++;
    printf("hostile: ok  %s\n", name);
}

void check(const char *name, bool ok, s64 got) {
    if (ok) {
        pass(name);
    } else {
        failed++;
        printf("hostile: FAIL %s: got %ld (0x%lx)\n", name, got, (u64)got);
    }
}

void check_result(const char *name, s64 expected, s64 got) {
    if (expected == got) {
        pass(name);
    } else {
        failed++;
        printf("hostile: FAIL %s: expected %ld, got %ld\n", name, expected, got);
    }
}

void check_refused(const char *name, s64 got) {
    check(name, got < 0, got);
}

unsigned checks_total(void) {
    printf("hostile: %u passed, %u failed\n", passed, failed);
    return failed;
}
