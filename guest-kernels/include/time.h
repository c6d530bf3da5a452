/* SPDX-License-Identifier: Apache-2.0 */
/* System time, wall-clock time, sleeping, and where this vCPU's time went. */
#ifndef TIME_H
#define TIME_H

#include "xen_abi.h"

#define NS_PER_MS 1000000ul
#define NS_PER_S 1000000000ul

/* printf arguments for a time in ns as seconds, format "%lu.%03lus". */
#define SECONDS_AND_MS(ns) (ns) / NS_PER_S, (ns) % NS_PER_S / NS_PER_MS

/* Nanoseconds of system time: the same clock as the hypervisor's timers. */
u64 time_now(void);

/* Nanoseconds since 1970-01-01 UTC. */
u64 time_wall_clock(void);

struct date {
    u64 year;
    unsigned month, day, hour, minute, second;
};
struct date time_to_date(u64 wall_clock_ns);

/* An event wakes this vCPU once system time has reached the deadline; a new deadline replaces the old one. */
void time_set_timer(u64 deadline);

/* Blocks until system time has reached the deadline. Needs events on. */
void time_sleep_until(u64 deadline);

struct runstate_info time_runstate(void);

#endif
