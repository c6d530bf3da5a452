/* SPDX-License-Identifier: Apache-2.0 */
/* The probes of all files. */
#include "kernels/faults/probe.h"
#include "runtime.h"
#include "string.h"

#define TABLE(name, mode) {name##_probes, name##_probes_end, mode}

extern const struct probe kernel_exceptions_probes[], kernel_exceptions_probes_end[];
extern const struct probe kernel_privileges_probes[], kernel_privileges_probes_end[];
extern const struct probe kernel_memory_probes[], kernel_memory_probes_end[];
extern const struct probe user_probes[], user_probes_end[];

const struct probe_table probe_tables[PROBE_TABLES] = {
    TABLE(kernel_exceptions, KERNEL),
    TABLE(kernel_privileges, KERNEL),
    TABLE(kernel_memory, KERNEL),
    TABLE(user, USER),
};

const struct probe *probe_named(const char *name) {
    for (size_t i = 0; i < PROBE_TABLES; i++) {
        for (const struct probe *probe = probe_tables[i].first; probe < probe_tables[i].end; probe++) {
            if (strcmp(probe->name, name) == 0) {
                return probe;
            }
        }
    }
    panic("there is no probe \"%s\"", name);
}
