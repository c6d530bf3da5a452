/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions that may trap. Each notes where to go on, and with which stack, before it tries; the handler of every vector
 * goes there. The place is taken away again when the instruction worked, so any other trap is this kernel's own mistake.
 */
#include "kernels/hostile/hostile.h"
#include "runtime.h"

u64 traps_seen, last_vector, last_error_code;

/* One for each vCPU; named in assembly below. */
u64 go_on_at[MAX_CPUS], go_on_stack[MAX_CPUS];

static bool is_probe(const struct frame *frame) {
    return frame->rip >= (u64)probe_first && frame->rip <= (u64)probe_last;
}

static void on_trap(struct frame *frame) {
    u32 self = cpu_self();
    if (frame->vector == TRAP_DB && go_on_at[self] == 0) {
        hv_set_debugreg(7, 0); /* a breakpoint that random mode has set on the kernel itself */
        return;
    }
    if (is_probe(frame)) {
        frame->rax = PROBE_FAULTED;
        frame->rip = (u64)probe_end;
        return;
    }
    if (go_on_at[self] == 0) {
        trap_die(frame);
    }
    traps_seen++;
    last_vector = frame->vector;
    last_error_code = frame->error_code;
    frame->rip = go_on_at[self];
    frame->rsp = go_on_stack[self];
    frame->cs = FLAT_CS_KERNEL_FRAME;
    frame->ss = FLAT_SS;
    frame->rflags = RFLAGS_FIXED | (self == 0 ? RFLAGS_IF : 0); /* the others take no events */
    go_on_at[self] = 0;
}

void faulting_init(void) {
    for (unsigned vector = 0; vector < TRAP_VECTORS; vector++) {
        trap_set_handler(vector, on_trap);
    }
}

/* Runs the instructions; worked is 0 if one of them trapped. RBX and RBP may have changed then: a frame can hold anything. RBX,
 * and what lies on top of the stack, is the vCPU's number. */
#define TRY(worked, instructions, outputs, ...)                  \
    __asm__ volatile("push %%rbp\n"                              \
                     "push %%rbx\n"                              \
                     "movq $1f, go_on_at(,%%rbx,8)\n"            \
                     "mov %%rsp, go_on_stack(,%%rbx,8)\n" instructions \
                     "\n"                                        \
                     "mov (%%rsp), %%r15\n"                      \
                     "movq $0, go_on_at(,%%r15,8)\n"             \
                     "mov $1, %%r15d\n"                          \
                     "jmp 2f\n"                                  \
                     "1: xor %%r15d, %%r15d\n"                   \
                     "2: pop %%rbx\n"                            \
                     "pop %%rbp\n"                               \
                     "mov %%r15d, %[ok]"                         \
                     : [ok] "=r"(worked) outputs                 \
                     : "b"((u64)cpu_self()), __VA_ARGS__         \
                     : "memory", "cc", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")
#define AND_OUTPUT ,

bool try_read(const void *at, u64 *value) {
    u32 worked;
    u64 got = 0;
    TRY(worked, "mov (%[at]), %%rdx", AND_OUTPUT "+d"(got), [at] "c"(at));
    *value = got;
    return worked;
}

bool try_write(void *at, u64 value) {
    u32 worked;
    TRY(worked, "mov %[value], (%[at])", , [at] "c"(at), [value] "d"(value));
    return worked;
}

bool try_execute(const void *at) {
    u32 worked;
    TRY(worked, "call *%[at]", , [at] "c"(at));
    return worked;
}

bool try_rdmsr(u32 msr, u64 *value) {
    u32 worked, low = 0, high = 0;
    TRY(worked, "rdmsr", AND_OUTPUT "+a"(low) AND_OUTPUT "+d"(high), "c"(msr));
    *value = (u64)high << 32 | low;
    return worked;
}

bool try_wrmsr(u32 msr, u64 value) {
    u32 worked;
    TRY(worked, "wrmsr", , "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)));
    return worked;
}

bool try_load_ds(u16 selector) {
    u32 worked;
    TRY(worked, "mov %w[selector], %%ds", , [selector] "c"(selector));
    __asm__ volatile("mov %0, %%ds" ::"r"(0));
    return worked;
}

bool try_far_call(u16 selector) {
    struct {
        u32 offset;
        u16 selector;
    } __attribute__((packed)) target = {0, selector};
    u32 worked;
    TRY(worked, "lcall *(%[target])", , [target] "c"(&target));
    return worked;
}

/* Once only: it defines a symbol. */
__attribute__((noinline, noclone)) bool try_iret(const u64 frame[9]) {
    u32 worked;
    u64 rax = HC_IRET, rcx = (u64)frame;
    TRY(worked,
        "mov %%rcx, %%rsp\n"
        "syscall\n"
        ".globl iret_target\n"
        "iret_target:\n"
        "mov go_on_stack, %%rsp\n"
        "pushq $0x202\n" /* whatever flags the frame brought */
        "popfq",
        AND_OUTPUT "+a"(rax) AND_OUTPUT "+c"(rcx), "m"(*(const u64(*)[9])frame));
    return worked;
}
