/* SPDX-License-Identifier: Apache-2.0 */
/* What a domain cannot survive. The hypervisor owes it a crash of its own, and everybody else that they notice nothing. */
#include "console.h"
#include "events.h"
#include "kernels/hostile/hostile.h"
#include "runtime.h"
#include "string.h"
#include "user.h"

/* User code whose first instruction traps. */
__asm__(".section .user_text, \"ax\", @progbits\n"
        ".globl hostile_user\n"
        "hostile_user: ud2\n"
        ".text");

static char spare_stack[8192] __attribute__((aligned(16)));

static void enter_user(void) {
    must_succeed("mapping user code", mm_map((void *)USER_BASE, make_pte(va_to_mfn(user_text_start), PTE_KERNEL_RO | PTE_U)));
    struct frame frame = {.rip = USER_BASE, .cs = FLAT_CS, .rflags = RFLAGS_FIXED, .rsp = USER_BASE, .ss = FLAT_SS};
    events_disable();
    frame_resume(&frame);
}

static void stack(void) {
    user_init(spare_stack + sizeof spare_stack);
    hv_stack_switch(FLAT_SS, 0xffff830000001000); /* any value is taken; it counts at the next trap */
    enter_user();
}

static void callback(void) {
    hypercall3(HC_SET_CALLBACKS, 0xffff830000001000, 0xffff830000001000, 0xffff830000001000); /* canonical, and nobody's to run */
    s64 port = event_alloc_unbound(DOMID_SELF);
    event_bind_interdomain(DOMID_SELF, (u32)port);
    hv_event_channel_op(EVTCHNOP_UNMASK, &port);
    for (u32 p = 1; p < 16; p++) {
        hv_event_channel_op(EVTCHNOP_UNMASK, &p);
    }
    WRITE_ONCE(this_vcpu()->evtchn_upcall_pending, 1);
    hv_set_trap_table(NULL);
    events_enable();
    hv_xen_version(0, NULL);
}

static void iret_frame(void) {
    __asm__ volatile("mov %0, %%rsp; mov $23, %%eax; syscall; ud2" ::"r"(0xffff830000001000));
}

static void no_user_table(void) {
    struct frame frame = {.rip = (u64)kernel_main, .cs = FLAT_CS, .rflags = RFLAGS_FIXED, .rsp = USER_BASE, .ss = FLAT_SS};
    events_disable();
    frame_resume(&frame);
}

static void no_handler(void) {
    hv_set_trap_table(NULL);
    __asm__ volatile("ud2");
}

static void kernel_stack(void) {
    __asm__ volatile("mov %0, %%rsp; ud2" ::"r"(0xffff830000001000));
}

/* A level-4 table in which nothing is: legal, and the last thing that this kernel does. */
static void base_pointer(void) {
    u64 *l4 = table_page();
    mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(l4), 0);
}

static const struct {
    const char *name;
    void (*die)(void);
} ways[] = {
    {"stack", stack},           {"callback", callback},         {"iret", iret_frame},           {"user-table", no_user_table},
    {"no-handler", no_handler}, {"kernel-stack", kernel_stack}, {"base-pointer", base_pointer},
};

void attack_deadly(const char *way) {
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        if (strcmp(ways[i].name, way) == 0) {
            printf("hostile: dying of %s\n", way);
            console_flush();
            ways[i].die();
        }
    }
}
