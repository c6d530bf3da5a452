/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wpt: writable page tables (xen-pv-abi.md, 6.4). With vm_assist 2 a kernel stores to its level-1 tables as if they were
 * not mapped read-only; the hypervisor checks and carries out each store, or the kernel gets its page fault.
 *
 * The entry that is changed maps PROBE; after every change what a read of PROBE gives is compared with the frame that the
 * entry names, so that entries which only look right do not pass. Powers off if all is well, else crashes.
 *
 *     loops=N   how many stores to time at the end (default 20000)
 */
#include "cmdline.h"
#include "console.h"
#include "events.h"
#include "hypercall.h"
#include "mm.h"
#include "runtime.h"
#include "time.h"
#include "traps.h"
#include "user.h"

#define PROBE ((volatile u64 *)0x4000000000) /* 256 GiB: tables of its own */
#define AVAILABLE (1ul << 9)
#define PTE_PCD 0x010ul
#define PTE_G 0x100ul
#define MARK_A 0xaaaaaaaaaaaaaaaa
#define MARK_B 0xbbbbbbbbbbbbbbbb

static u64 *entry; /* maps PROBE; itself mapped read-only */
static u64 frame_a, frame_b;
static unsigned passed, failed;

/* ---- page faults: the instruction is skipped, and the fault counted ------------------------------------------------ */

static u64 resume_at; /* where execution goes on after the one fault that is expected */
static unsigned faults;
static u64 fault_address, fault_code;

static void page_fault(struct frame *frame) {
    u64 cr2 = trap_cr2();
    if (resume_at == 0) {
        trap_die(frame);
    }
    faults++;
    fault_address = cr2;
    fault_code = frame->error_code;
    frame->rip = resume_at;
    resume_at = 0;
}

/* Runs instructions of which the first may fault: then they are skipped. The outputs are in OUT() or NONE. */
#define OUT(...) , __VA_ARGS__
#define NONE
#define STEP(instructions, outputs, ...)                         \
    do {                                                         \
        faults = 0;                                              \
        __asm__ volatile("movq $1f, %[resume]\n\t" instructions  \
                         "\n1:\tmovq $0, %[resume]"              \
                         : [resume] "=m"(resume_at) outputs      \
                         : __VA_ARGS__                           \
                         : "memory", "cc");                      \
    } while (0)

/* ---- checks -------------------------------------------------------------------------------------------------------- */

static const char *name;
static bool good;

static void start(const char *text) {
    name = text;
    good = true;
}

static void equal(const char *what, u64 expected, u64 got) {
    if (good && expected != got) {
        good = false;
        printf("wpt: FAIL %s: expected %s 0x%lx, got 0x%lx\n", name, what, expected, got);
    }
}

static void end(void) {
    if (good) {
        passed++;
        printf("wpt: ok  %s\n", name);
    } else {
        failed++;
    }
}

static NORETURN void finish(void) {
    printf("wpt: %u passed, %u failed\n", passed, failed);
    if (failed > 0) {
        crash();
    }
    power_off();
}

static void flush(void) {
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    must_succeed("mmuext_op", hv_mmuext_op(&op, 1));
}

/* What the hypervisor adds: user pages become global, the kernel's become user pages with bit 52; and A and D (5.5). */
#define NOT_OURS (PTE_U | PTE_G | 1ul << 52 | PTE_A | PTE_D)

/* The store was carried out, and the entry is now this. */
static void changed_to(u64 expected) {
    equal("faults", 0, faults);
    equal("entry", expected & ~NOT_OURS, READ_ONCE(*entry) & ~NOT_OURS);
    flush();
    if (expected & PTE_P) {
        equal("word behind it", (expected & PTE_FRAME_MASK) == frame_a << PAGE_SHIFT ? MARK_A : MARK_B, *PROBE);
    }
    end();
}

/* The store was refused: a fault at this address, and nothing changed. */
static void refused_at(const volatile void *address, u64 before) {
    equal("faults", 1, faults);
    equal("CR2", (u64)address, fault_address);
    equal("error code", 3, fault_code);
    equal("entry", before, READ_ONCE(*entry));
    end();
}

static void reset(void) {
    must_succeed("update_va_mapping", mm_set_pte((void *)PROBE, make_pte(frame_a, PTE_KERNEL_RW)));
}

static void store(u64 value) {
    STEP("movq %[value], (%[slot])", NONE, [value] "r"(value), [slot] "r"(entry));
}

/* ---- what is carried out ------------------------------------------------------------------------------------------- */

static void check_plain_stores(void) {
    u64 a = make_pte(frame_a, PTE_KERNEL_RW), b = make_pte(frame_b, PTE_KERNEL_RW);

    start("MOV, 8 bytes");
    store(b);
    changed_to(b);

    start("MOV, 8 bytes, not present");
    store(0);
    changed_to(0);

    start("MOV, 8 bytes, present again");
    store(a);
    changed_to(a);

    start("MOV, 4 bytes, the upper half");
    STEP("movl %[value], 4(%[slot])", NONE, [value] "r"((u32)((a | PTE_NX) >> 32)), [slot] "r"(entry));
    changed_to(a | PTE_NX);

    reset();
    start("MOV, 2 bytes, the lower flags");
    u64 read_only = a & ~PTE_RW;
    STEP("movw %[value], (%[slot])", NONE, [value] "r"((u16)read_only), [slot] "r"(entry));
    changed_to(read_only);

    start("MOV, 1 byte");
    STEP("movb %[value], (%[slot])", NONE, [value] "q"((u8)a), [slot] "r"(entry));
    changed_to(a);

    start("STOSQ");
    u64 target = (u64)entry;
    STEP("stosq", OUT("+D"(target)), "a"(b));
    equal("RDI", (u64)(entry + 1), target);
    changed_to(b);
    reset();
}

static void check_exchanges(void) {
    u64 a = make_pte(frame_a, PTE_KERNEL_RW), b = make_pte(frame_b, PTE_KERNEL_RW);
    u64 value = b;

    start("XCHG");
    u64 old = READ_ONCE(*entry);
    STEP("xchgq %[value], (%[slot])", OUT([value] "+r"(value)), [slot] "r"(entry));
    equal("old value", old, value);
    changed_to(b);

    start("LOCK CMPXCHG that succeeds");
    old = READ_ONCE(*entry);
    u64 accumulator = old, zero;
    STEP("lock cmpxchgq %[value], (%[slot])\n\tsetz %b[zero]",
         OUT([accumulator] "+a"(accumulator), [zero] "=&q"(zero)), [value] "r"(a), [slot] "r"(entry));
    equal("ZF", 1, (u8)zero);
    equal("RAX", old, accumulator);
    changed_to(a);

    start("LOCK CMPXCHG that fails");
    accumulator = 0x1234;
    old = READ_ONCE(*entry);
    STEP("lock cmpxchgq %[value], (%[slot])\n\tsetz %b[zero]",
         OUT([accumulator] "+a"(accumulator), [zero] "=&q"(zero)), [value] "r"(b), [slot] "r"(entry));
    equal("ZF", 0, (u8)zero);
    equal("RAX", old, accumulator);
    changed_to(a);
    reset();
}

static void check_bit_operations(void) {
    u64 a = make_pte(frame_a, PTE_KERNEL_RW);

    start("LOCK AND, 8 bytes, immediate");
    STEP("lock andq $-3, (%[slot])", NONE, [slot] "r"(entry));
    changed_to(a & ~PTE_RW);

    start("LOCK OR, 8 bytes, register");
    STEP("lock orq %[value], (%[slot])", NONE, [value] "r"(PTE_RW | AVAILABLE), [slot] "r"(entry));
    changed_to(a | AVAILABLE);

    start("LOCK AND, 1 byte, immediate");
    STEP("lock andb $0xfd, (%[slot])", NONE, [slot] "r"(entry));
    changed_to((a | AVAILABLE) & ~PTE_RW);

    start("LOCK BTS, immediate");
    STEP("lock btsq $1, (%[slot])", NONE, [slot] "r"(entry));
    changed_to(a | AVAILABLE);

    start("LOCK BTR, register");
    u64 carry;
    STEP("lock btrq %[bit], (%[slot])\n\tsetc %b[carry]", OUT([carry] "=&q"(carry)),
         [bit] "r"(9ul), [slot] "r"(entry));
    equal("CF", 1, (u8)carry);
    changed_to(a);

    start("LOCK BTR, immediate");
    STEP("lock btrq $1, (%[slot])", NONE, [slot] "r"(entry));
    changed_to(a & ~PTE_RW);

    start("OR without LOCK");
    STEP("orq $2, (%[slot])", NONE, [slot] "r"(entry));
    changed_to(a);

    start("LOCK BTR of the accessed bit");
    (void)*PROBE;
    STEP("lock btrq $5, (%[slot])", NONE, [slot] "r"(entry));
    equal("A", 0, READ_ONCE(*entry) & PTE_A);
    changed_to(a);
    reset();
}

/* ---- what is refused ----------------------------------------------------------------------------------------------- */

static void check_refused_values(void) {
    u64 before = READ_ONCE(*entry);
    u64 table = va_to_mfn(entry);
    const struct {
        const char *name;
        u64 value;
    } values[] = {
        {"refused: a page table, writable", make_pte(table, PTE_KERNEL_RW)},
        {"refused: the hypervisor's frame", make_pte(0, PTE_KERNEL_RO)},
        {"refused: a frame that does not exist", make_pte(0xfffffff, PTE_KERNEL_RO)},
        {"refused: all ones", PTE_FRAME_MASK | PTE_KERNEL_RO},
        {"refused: uncached", make_pte(frame_a, PTE_KERNEL_RW | PTE_PCD)},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(values); i++) {
        start(values[i].name);
        store(values[i].value);
        refused_at(entry, before);
    }

    start("refused: registers are as they were");
    u64 value = values[0].value;
    STEP("xchgq %[value], (%[slot])", OUT([value] "+r"(value)), [slot] "r"(entry));
    equal("register", values[0].value, value);
    refused_at(entry, before);

    start("refused: the flag that makes a table writable, set by LOCK BTS");
    must_succeed("update_va_mapping", mm_set_pte((void *)PROBE, make_pte(table, PTE_KERNEL_RO)));
    before = READ_ONCE(*entry);
    STEP("lock btsq $1, (%[slot])", NONE, [slot] "r"(entry));
    refused_at(entry, before);
    reset();
}

static void check_refused_places(void) {
    u64 before = READ_ONCE(*entry);

    start("refused: not aligned");
    STEP("movl $0, 2(%[slot])", NONE, [slot] "r"(entry));
    refused_at((char *)entry + 2, before);

    start("refused: across two entries");
    STEP("movq $-1, 4(%[slot])", NONE, [slot] "r"(entry));
    refused_at((char *)entry + 4, before);

    start("refused: across the end of the table");
    char *end_of_table = (char *)(((u64)entry & -PAGE_SIZE) + PAGE_SIZE);
    STEP("movq $0, -4(%[end])", NONE, [end] "r"(end_of_table));
    refused_at(end_of_table - 4, before);

    u64 *table = (u64 *)start_info->pt_base;
    for (unsigned level = 4; level > 1; level--) {
        u64 *slot = &table[(u64)PROBE >> (PAGE_SHIFT + 9 * (level - 1)) & 511];
        start(level == 4 ? "refused: level 4" : level == 3 ? "refused: level 3" : "refused: level 2");
        u64 old = *slot;
        STEP("movq %[value], (%[slot])", NONE, [value] "r"(old | AVAILABLE), [slot] "r"(slot));
        equal("upper entry", old, READ_ONCE(*slot));
        refused_at(slot, before);
        table = pfn_to_va(MACHINE_TO_PHYS[(old & PTE_FRAME_MASK) >> PAGE_SHIFT]);
    }

    start("refused: a page that is merely read-only");
    char *page = page_alloc();
    mm_make_read_only(page);
    STEP("movq $0, (%[slot])", NONE, [slot] "r"(page));
    refused_at(page, before);
}

static void check_repeated_stores(void) {
    const u64 words = 512;
    u64 *table = page_alloc();
    u64 mfn = mm_make_read_only(table);
    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1 = mfn};
    must_succeed("pin", hv_mmuext_op(&pin, 1));

    start("REP STOSQ over a table");
    u64 pte = make_pte(frame_a, PTE_KERNEL_RO);
    u64 target = (u64)table, count = words;
    STEP("rep stosq", OUT("+D"(target), "+c"(count)), "a"(pte));
    equal("faults", 0, faults);
    equal("RCX", 0, count);
    for (unsigned i = 0; i < words; i++) {
        equal("entry", pte & ~NOT_OURS, READ_ONCE(table[i]) & ~NOT_OURS);
    }
    end();

    start("REP MOVSQ that is refused in its middle");
    u64 *source = page_alloc();
    source[2] = make_pte(mfn, PTE_KERNEL_RW); /* the table itself, writable */
    u64 from = (u64)source;
    target = (u64)table;
    count = words;
    STEP("rep movsq", OUT("+S"(from), "+D"(target), "+c"(count)), "i"(0));
    equal("RCX", words - 2, count);
    equal("RSI", (u64)(source + 2), from);
    equal("RDI", (u64)(table + 2), target);
    equal("entry before", 0, READ_ONCE(table[1]));
    refused_at(table + 2, READ_ONCE(*entry));

    struct mmuext_op unpin = {.cmd = MMUEXT_UNPIN_TABLE, .arg1 = mfn};
    must_succeed("unpin", hv_mmuext_op(&unpin, 1));
}

static void single_step(struct frame *frame) {
    frame->rflags &= ~0x100ul;
    faults += 0x100;
}

static void check_trap_flag(void) {
    u64 a = make_pte(frame_a, PTE_KERNEL_RW), b = make_pte(frame_b, PTE_KERNEL_RW);
    trap_set_handler(TRAP_DB, single_step);
    start("TF: the trap comes after the store");
    faults = 0;
    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tmovq %[value], (%[slot])"
                     :
                     : [value] "r"(b), [slot] "r"(entry)
                     : "memory", "cc");
    equal("traps", 0x100, faults);
    faults = 0;
    changed_to(b);
    store(a);
}

static void check_assist_off(void) {
    u64 before = READ_ONCE(*entry);
    must_succeed("vm_assist", hv_vm_assist(VMASST_DISABLE, VMASST_WRITABLE_PAGE_TABLES));
    start("assist off: a fault");
    store(make_pte(frame_b, PTE_KERNEL_RW));
    refused_at(entry, before);
    must_succeed("vm_assist", hv_vm_assist(VMASST_ENABLE, VMASST_WRITABLE_PAGE_TABLES));
}

/* ---- cost ------------------------------------------------------------------------------------------------------------ */

static void measure(void) {
    u64 loops = cmdline_u64("loops", 20000);
    u64 begun = time_now();
    for (u64 i = 0; i < loops; i++) {
        __asm__ volatile("lock btcq $9, (%0)" : : "r"(entry) : "memory", "cc");
    }
    u64 stores = time_now() - begun;
    begun = time_now();
    for (u64 i = 0; i < loops; i++) {
        struct mmu_update update = {.ptr = (va_to_mfn(entry) << PAGE_SHIFT) + (u64)entry % PAGE_SIZE,
                                    .val = make_pte(frame_a, PTE_KERNEL_RW) ^ (i & 1) << 9};
        must_succeed("mmu_update", hv_mmu_update(&update, 1));
    }
    u64 calls = time_now() - begun;
    if (loops > 0) {
        printf("wpt: %lu ns a store, %lu ns an mmu_update\n", stores / loops, calls / loops);
    }
}

/* ---- user mode: its store to the table, which it sees at the same address, is its fault ------------------------------ */

#define USER_CODE USER_BASE
#define USER_TABLE (USER_BASE + PAGE_SIZE)

__asm__(".pushsection .user_text, \"ax\"\n"
        "user_store: movq $0, (%rdi)\n"
        "\tsyscall\n"
        ".popsection");

static char stack[2][2 * PAGE_SIZE] __attribute__((aligned(16)));
static u64 user_error_code;

static NORETURN void after_user_mode(void);

/* Leaves user mode for good: whatever brought the guest here, the frame goes on in the kernel, on a stack of its own. */
static void leave_user_mode(struct frame *frame) {
    user_error_code = frame->vector == TRAP_PF ? frame->error_code : 0;
    frame->rip = (u64)after_user_mode;
    frame->cs = FLAT_CS_KERNEL_FRAME;
    frame->ss = FLAT_SS;
    frame->rsp = (u64)(stack[1] + sizeof stack[1] - sizeof(u64));
}

static void check_user_mode(void) {
    user_init(stack[0] + sizeof stack[0]);
    must_succeed("map", mm_map((void *)USER_CODE, make_pte(va_to_mfn(user_text_start), PTE_KERNEL_RO | PTE_U)));
    must_succeed("map", mm_map((void *)USER_TABLE, make_pte(va_to_mfn(entry), PTE_KERNEL_RO | PTE_U)));
    trap_set_handler(TRAP_PF, leave_user_mode);
    trap_set_handler(VECTOR_SYSCALL, leave_user_mode);
    struct frame frame = {
        .rip = USER_CODE,
        .cs = FLAT_CS,
        .ss = FLAT_SS,
        .rflags = 0x202,
        .rdi = USER_TABLE + (u64)entry % PAGE_SIZE,
    };
    events_disable();
    frame_resume(&frame);
}

static void after_user_mode(void) {
    start("refused: user mode");
    equal("error code", 7, user_error_code);
    equal("entry", frame_a, (READ_ONCE(*entry) & PTE_FRAME_MASK) >> PAGE_SHIFT);
    end();
    finish();
}

void kernel_main(void) {
    volatile u64 *a = page_alloc(), *b = page_alloc();
    *a = MARK_A;
    *b = MARK_B;
    frame_a = va_to_mfn((void *)a);
    frame_b = va_to_mfn((void *)b);
    must_succeed("mapping the probe", mm_map((void *)PROBE, make_pte(frame_a, PTE_KERNEL_RW)));
    entry = (u64 *)mm_slot((void *)PROBE);
    trap_set_handler(TRAP_PF, page_fault);
    must_succeed("vm_assist", hv_vm_assist(VMASST_ENABLE, VMASST_WRITABLE_PAGE_TABLES));

    check_plain_stores();
    check_exchanges();
    check_bit_operations();
    check_refused_values();
    check_refused_places();
    check_repeated_stores();
    check_trap_flag();
    check_assist_off();
    measure();
    check_user_mode();
}
