/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the hypervisor's clock without asking it, and its one-shot timer (xen-pv-abi.md, 11). */
#include "time.h"

#include "events.h"
#include "hypercall.h"
#include "runtime.h"

/* LFENCE keeps the read of the counter from running ahead of the reads before it. */
static u64 read_tsc(void) {
    u32 low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

static u64 ticks_to_ns(u64 ticks, s8 shift, u32 multiplier) {
    ticks = shift < 0 ? ticks >> -shift : ticks << shift;
    return (u64)((unsigned __int128)ticks * multiplier >> 32);
}

/* The version is odd while the hypervisor writes, and moves with each write: read between two equal even ones. */
u64 time_now(void) {
    const struct vcpu_time_info *time = &this_vcpu()->time;
    for (;;) {
        u32 version = READ_ONCE(time->version);
        compiler_barrier();
        u64 ticks = read_tsc() - READ_ONCE(time->tsc_timestamp);
        u64 now = READ_ONCE(time->system_time) +
                  ticks_to_ns(ticks, READ_ONCE(time->tsc_shift), READ_ONCE(time->tsc_to_system_mul));
        compiler_barrier();
        if (version % 2 == 0 && version == READ_ONCE(time->version)) {
            return now;
        }
    }
}

/* The shared page holds the wall clock at system time 0. */
u64 time_wall_clock(void) {
    for (;;) {
        u32 version = READ_ONCE(shared_info.wc_version);
        compiler_barrier();
        u64 seconds = (u64)READ_ONCE(shared_info.wc_sec_hi) << 32 | READ_ONCE(shared_info.wc_sec);
        u64 ns = seconds * NS_PER_S + READ_ONCE(shared_info.wc_nsec);
        compiler_barrier();
        if (version % 2 == 0 && version == READ_ONCE(shared_info.wc_version)) {
            return ns + time_now();
        }
    }
}

static bool is_leap(u64 year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

struct date time_to_date(u64 wall_clock_ns) {
    static const u8 days_of_month[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    u64 seconds = wall_clock_ns / NS_PER_S;
    u64 days = seconds / 86400;
    struct date date = {
        .year = 1970, .month = 1, .hour = seconds / 3600 % 24, .minute = seconds / 60 % 60, .second = seconds % 60};

    for (; days >= (is_leap(date.year) ? 366u : 365u); date.year++) {
        days -= is_leap(date.year) ? 366 : 365;
    }
    for (;; date.month++) {
        u64 length = days_of_month[date.month - 1] + (date.month == 2 && is_leap(date.year));
        if (days < length) {
            break;
        }
        days -= length;
    }
    date.day = (unsigned)days + 1;
    return date;
}

static void timer_fired(u32 port, void *argument) {
    (void)port;
    (void)argument; /* waking up was all there is to do */
}

/* A domain starts with a 100 Hz tick (11.2), which is of no use here. */
static void take_timer(void) {
    static bool taken;
    if (!taken) {
        must_succeed("stop_periodic_timer", hv_vcpu_op(VCPUOP_STOP_PERIODIC_TIMER, 0, NULL));
        s64 port = event_bind_virq(VIRQ_TIMER);
        must_succeed("bind_virq", port);
        event_set_handler((u32)port, timer_fired, NULL);
        taken = true;
    }
}

void time_set_timer(u64 deadline) {
    take_timer();
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = deadline};
    must_succeed("set_singleshot_timer", hv_vcpu_op(VCPUOP_SET_SINGLESHOT_TIMER, 0, &timer));
}

void time_sleep_until(u64 deadline) {
    time_set_timer(deadline);
    WAIT_UNTIL(time_now() >= deadline);
}

struct runstate_info time_runstate(void) {
    struct runstate_info info;
    must_succeed("get_runstate_info", hv_vcpu_op(VCPUOP_GET_RUNSTATE_INFO, 0, &info));
    return info;
}
