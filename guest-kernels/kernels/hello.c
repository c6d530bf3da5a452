/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello: says where it finds itself, and powers off. The first kernel to try on a hypervisor.
 *
 *     seconds=N   sleep so long before the end (the one-shot timer, and blocking)
 *     ask         read a line from the console and greet (console input)
 */
#include "cmdline.h"
#include "console.h"
#include "hypercall.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

static void print_hypervisor(void) {
    static char capabilities[1024]; /* too large for a comfortable stack frame */
    char extra[16];
    s64 version = hv_xen_version(XENVER_VERSION, NULL);
    must_succeed("xen_version", version);
    must_succeed("xen_version", hv_xen_version(XENVER_EXTRAVERSION, extra));
    must_succeed("xen_version", hv_xen_version(XENVER_CAPABILITIES, capabilities));
    printf("hello: hypervisor speaks Xen %ld.%ld%s, capabilities %s\n", version >> 16, version & 0xffff, extra, capabilities);
}

static void print_domain(void) {
    printf("hello: domain %u, %lu pages (%lu KiB), flags 0x%x\n", domain_id(), start_info->nr_pages,
           start_info->nr_pages * (PAGE_SIZE / 1024), start_info->flags);
    printf("hello: page tables at %p (%lu frames), p2m at %p, initrd %lu bytes\n", (void *)start_info->pt_base,
           start_info->nr_pt_frames, (void *)start_info->mfn_list, start_info->mod_len);
    printf("hello: console port %u, xenstore port %u\n", start_info->console_evtchn, start_info->store_evtchn);
    printf("hello: command line \"%.1024s\"\n", start_info->cmd_line);
}

static void print_time(void) {
    struct date d = time_to_date(time_wall_clock());
    printf("hello: it is %04lu-%02u-%02uT%02u:%02u:%02uZ, system time %lu.%03lus\n", d.year, d.month, d.day, d.hour,
           d.minute, d.second, SECONDS_AND_MS(time_now()));
}

void kernel_main(void) {
    printf("hello: a guest kernel, started with \"%.32s\"\n", start_info->magic);
    print_hypervisor();
    print_domain();
    print_time();

    u64 seconds = cmdline_u64("seconds", 0);
    if (seconds > 0) {
        time_sleep_until(time_now() + seconds * NS_PER_S);
        printf("hello: slept %lu s\n", seconds);
    }
    if (cmdline_has("ask")) {
        char name[80];
        printf("hello: who is there? ");
        console_read_line(name, sizeof name);
        printf("hello: good day, %s\n", name);
    }
    printf("hello: goodbye\n");
}
