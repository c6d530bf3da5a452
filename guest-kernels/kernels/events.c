/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: the FIFO event ABI from inside (xen-pv-abi.md, 10.2): the switch from two levels with events pending, thousands
 * of ports, the order of priorities and of sending, masks, changes of priority, the timer, polling.
 *
 * A line a check, then "events: N passed, M failed". Powers off if nothing failed, else crashes.
 *
 *     ports=N   how many ports (default 6000, at most 16000)
 *
 * Events stay off: no upcall is taken, the queues are looked at when the checks say so. After the switch the runtime's
 * console still works: its port is masked and polled, and an event that stays pending only makes it look more often.
 */
#include "events.h"

#include "cmdline.h"
#include "console.h"
#include "hypercall.h"
#include "mm.h"
#include "runtime.h"
#include "time.h"

#define MOST_PORTS 16384
#define WORDS_PER_PAGE 1024
#define PAGES (MOST_PORTS / WORDS_PER_PAGE)
#define PRIORITIES 16
#define DEFAULT_PRIORITY 7

#define WORD_PENDING (1u << 31)
#define WORD_MASKED (1u << 30)
#define WORD_LINKED (1u << 29)
#define WORD_LINK ((1u << 17) - 1)

struct control_block {
    u32 ready, pad;
    u32 head[PRIORITIES];
};
ASSERT_SIZE(struct control_block, 72);

static struct control_block *control;
static u32 *pages[PAGES];
static u32 heads[PRIORITIES];
static unsigned passed, failed;

static u32 *word_of(u32 port) {
    return &pages[port / WORDS_PER_PAGE][port % WORDS_PER_PAGE];
}

static void check(const char *name, u64 expected, u64 got) {
    if (expected == got) {
        passed++;
        printf("events: ok  %s\n", name);
    } else {
        failed++;
        printf("events: FAIL %s: expected 0x%lx, got 0x%lx\n", name, expected, got);
    }
}

static u32 bind_ipi(void) {
    struct evtchn_bind_ipi op = {.vcpu = 0};
    must_succeed("bind_ipi", hv_event_channel_op(EVTCHNOP_BIND_IPI, &op));
    return op.port;
}

static s64 set_priority(u32 port, u32 priority) {
    u32 op[2] = {port, priority};
    return hv_event_channel_op(EVTCHNOP_SET_PRIORITY, op);
}

/* Takes the next event off the queues, the highest priority first; 0 if there is none. */
static u32 take(void) {
    static u32 ready;
    WRITE_ONCE(this_vcpu()->evtchn_upcall_pending, 0);
    while ((ready |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST)) != 0) {
        u32 priority = (u32)__builtin_ctz(ready);
        u32 port = heads[priority] != 0 ? heads[priority] : READ_ONCE(control->head[priority]);
        u32 *word = word_of(port);
        u32 old = READ_ONCE(*word);
        while (!__atomic_compare_exchange_n(word, &old, old & ~(WORD_LINKED | WORD_LINK), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        }
        heads[priority] = old & WORD_LINK;
        if (heads[priority] == 0) {
            ready &= ~(1u << priority);
        }
        if ((READ_ONCE(*word) & (WORD_PENDING | WORD_MASKED)) == WORD_PENDING) {
            __atomic_fetch_and(word, ~WORD_PENDING, __ATOMIC_SEQ_CST);
            return port;
        }
    }
    return 0;
}

static void expand(void) {
    static u32 count;
    pages[count] = page_alloc();
    u64 frame = va_to_mfn(pages[count++]);
    must_succeed("expand_array", hv_event_channel_op(EVTCHNOP_EXPAND_ARRAY, &frame));
}

static void check_switch(u32 early) {
    struct {
        u64 frame;
        u32 offset, vcpu;
        u8 link_bits, pad[7];
    } op = {.offset = 64};
    char *page = page_alloc();
    control = (struct control_block *)(page + op.offset);
    op.frame = va_to_mfn(page);
    event_send(early);
    check("result of init_control", 0, (u64)hv_event_channel_op(EVTCHNOP_INIT_CONTROL, &op));
    check("link bits", 17, op.link_bits);
    expand();
    __atomic_fetch_or(word_of(start_info->console_evtchn), WORD_MASKED, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(word_of(start_info->store_evtchn), WORD_MASKED, __ATOMIC_SEQ_CST);
    u32 port;
    bool found = false;
    while ((port = take()) != 0) {
        found |= port == early;
    }
    check("an event from before the switch", true, found);
}

/* Each port has a priority by its number, and is sent to in an order that jumps about. */
static void check_order(u32 first, u32 count) {
    static u32 sent_as[MOST_PORTS];
    u32 order = 0, sent = 0, last = 0, wrong = 0, late = 0, taken = 0, priority = 0;
    for (u32 port = first; port < first + count; port++) {
        must_succeed("set_priority", set_priority(port, port % PRIORITIES));
    }
    u64 start = time_now();
    for (; sent < count; sent++) {
        event_send(first + order);
        sent_as[order] = sent;
        order = (order + 7919) % count; /* a prime that divides no sensible count */
    }
    u64 sending = time_now() - start;
    check("the flag for an upcall", 1, READ_ONCE(this_vcpu()->evtchn_upcall_pending));
    for (u32 port; (port = take()) != 0;) {
        taken++;
        wrong += port % PRIORITIES < priority;
        late += port % PRIORITIES == priority && taken > 1 && sent_as[port - first] < last;
        priority = port % PRIORITIES;
        last = sent_as[port - first];
    }
    check("events of all ports", count, taken);
    check("events out of the order of priorities", 0, wrong);
    check("events out of the order of sending, within one", 0, late);
    printf("events: %u sends, %lu ns each\n", count, sending / count);
}

static void check_sending_order(u32 first) {
    static const u32 order[] = {5, 3, 9, 1, 0, 8, 2, 7, 6, 4};
    u32 wrong = 0;
    for (u32 i = 0; i < 10; i++) {
        must_succeed("set_priority", set_priority(first + i, 2));
    }
    for (u32 i = 0; i < 10; i++) {
        event_send(first + order[i]);
        event_send(first + order[0]);
    }
    for (u32 i = 0; i < 10; i++) {
        wrong += take() != first + order[i];
    }
    check("sending again does not change the order", 0, wrong);
}

static void check_masks(u32 port) {
    __atomic_fetch_or(word_of(port), WORD_MASKED, __ATOMIC_SEQ_CST);
    event_send(port);
    check("a masked event in its word", WORD_PENDING | WORD_MASKED, READ_ONCE(*word_of(port)));
    event_poll(port, 0);
    check("and not in a queue", 0, take() == port);
    must_succeed("unmask", hv_event_channel_op(EVTCHNOP_UNMASK, &port));
    check("unmasked", port, take());
}

static void check_moving(u32 port, u32 other) {
    must_succeed("set_priority", set_priority(port, 12));
    must_succeed("set_priority", set_priority(other, 5));
    event_send(port);
    must_succeed("set_priority", set_priority(port, 1));
    event_send(other);
    check("the other first: a linked event stays where it is", other, take());
    check("then the one whose priority was raised", port, take());
    event_send(other);
    event_send(port);
    check("and now it comes first", port, take());
    check("and the other last", other, take());
    check("a priority that does not exist", (u64)-22, (u64)set_priority(port, PRIORITIES));
}

static void check_timer(void) {
    s64 port = event_bind_virq(VIRQ_TIMER);
    must_succeed("set_priority", set_priority((u32)port, 0));
    u64 deadline = time_now() + 5 * NS_PER_MS;
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = deadline};
    must_succeed("set_singleshot_timer", hv_vcpu_op(VCPUOP_SET_SINGLESHOT_TIMER, 0, &timer));
    while ((READ_ONCE(*word_of((u32)port)) & WORD_PENDING) == 0) {
        event_poll((u32)port, 0); /* other events may wake it too */
    }
    check("a poll until the timer's event", true, time_now() >= deadline);
    check("which comes before all others", (u64)port, take());
}

/* A port is taken again while its word is still in a queue. */
static void check_reuse(u32 port) {
    event_send(port);
    must_succeed("close", hv_event_channel_op(EVTCHNOP_CLOSE, &port));
    check("the same number again", port, bind_ipi());
    check("without the old event", 0, take() == port);
    event_send(port);
    check("but with a new one", port, take());
}

void kernel_main(void) {
    u32 count = (u32)cmdline_u64("ports", 6000);
    if (count > 16000) {
        panic("ports=%u is more than 16000", count);
    }
    events_disable();
    must_succeed("stop_periodic_timer", hv_vcpu_op(VCPUOP_STOP_PERIODIC_TIMER, 0, NULL));
    u32 first = bind_ipi();
    check_switch(first);
    for (u32 i = 1; i < count; i++) {
        if (bind_ipi() != first + i) {
            panic("port %u is not the next", first + i);
        }
    }
    event_send(first + count - 1); /* its page is not there yet, when there are many */
    while (pages[(first + count - 1) / WORDS_PER_PAGE] == NULL) {
        expand();
    }
    u32 port, found = 0;
    while ((port = take()) != 0) {
        found += port == first + count - 1;
    }
    check("an event from before its page", 1, found);
    check_order(first, count);
    check_sending_order(first);
    check_masks(first + 1);
    check_moving(first + 2, first + count - 1);
    check_timer();
    check_reuse(first + 3);
    printf("events: %u passed, %u failed\n", passed, failed);
    if (failed > 0) {
        crash();
    }
}
