/* SPDX-License-Identifier: Apache-2.0 */
/* From the first C instruction to kernel_main(), and from there to the end. */
#include "runtime.h"

#include "console.h"
#include "events.h"
#include "hypercall.h"
#include "mm.h"
#include "traps.h"

const struct start_info *start_info;

/* Called by start.S. The order is that of need: printing wants the rings, waiting wants the shared page. */
void runtime_start(const struct start_info *info) {
    start_info = info;
    mm_map_foreign(&shared_info, info->shared_info);
    events_init();
    traps_init();
    console_init();
    events_enable();

    kernel_main();
    power_off();
}

static NORETURN void shut_down(u32 reason) {
    events_disable();
    console_flush();
    for (;;) {
        hv_sched_op(SCHEDOP_SHUTDOWN, &reason);
    }
}

void power_off(void) {
    shut_down(SHUTDOWN_POWEROFF);
}

void crash(void) {
    shut_down(SHUTDOWN_CRASH);
}

void panic(const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("panic: ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    crash();
}

void must_succeed(const char *what, s64 result) {
    if (result < 0) {
        panic("%s returned %ld", what, result);
    }
}

u16 domain_id(void) {
    struct evtchn_alloc_unbound port = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    must_succeed("alloc_unbound", hv_event_channel_op(EVTCHNOP_ALLOC_UNBOUND, &port));
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port.port};
    must_succeed("evtchn_status", hv_event_channel_op(EVTCHNOP_STATUS, &status));
    event_close(port.port);
    return status.u.unbound_dom;
}
