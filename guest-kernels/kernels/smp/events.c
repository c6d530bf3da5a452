/* SPDX-License-Identifier: Apache-2.0 */
/* Which vCPUs there are, bringing them up, IPIs, timers, and wake-ups from block and poll. */
#include "console.h"
#include "events.h"
#include "hypercall.h"
#include "kernels/smp/cpu.h"
#include "runtime.h"
#include "time.h"
#include "traps.h"

/* ---- vCPUs ----------------------------------------------------------------------------------------------------- */

void check_enumeration(void) {
    cpus_lead(); /* outside of the check, which may not be wanted */
    if (check_start("which-vCPUs-there-are")) {
        check_equal("is_up of vCPU 0", 1, hv_vcpu_op(VCPUOP_IS_UP, 0, NULL));
        for (u32 i = 1; i < cpu_count; i++) {
            check_equal("is_up of another", 0, hv_vcpu_op(VCPUOP_IS_UP, i, NULL));
        }
        if (cpu_count < MAX_CPUS) {
            check_equal("is_up beyond the last", -ENOENT, hv_vcpu_op(VCPUOP_IS_UP, cpu_count, NULL));
            check_equal("up beyond the last", -ENOENT, hv_vcpu_op(VCPUOP_UP, cpu_count, NULL));
            struct evtchn_bind_ipi op = {.vcpu = cpu_count};
            check_equal("bind_ipi beyond the last", -ENOENT, hv_event_channel_op(EVTCHNOP_BIND_IPI, &op));
        }
        check_equal("is_up of -1", -ENOENT, hv_vcpu_op(VCPUOP_IS_UP, ~0u, NULL));
        check_end();
    }
}

static u64 own_vector;

static void on_own_vector(struct frame *frame) {
    own_vector = frame->vector;
}

static struct barrier turn;

/* One after the other, since the handler has only one place for what it saw. */
static void job_own_vector(struct cpu *cpu) {
    for (u32 i = 0; i < cpu_count; i++) {
        barrier_wait(&turn, cpu_count);
        if (i == cpu->id) {
            __asm__ volatile("int %0" : : "i"(VECTOR_OWN) : "memory");
            cpu_expect(cpu, "vector of its own trap table", VECTOR_FIRST + cpu->id, READ_ONCE(own_vector));
        }
    }
}

void check_bring_up(void) {
    check_start("bring-up"); /* wanted or not: the rest needs it */
    cpus_bring_up();
    check_end();
    if (check_start("trap-tables")) {
        for (u32 i = 0; i < cpu_count; i++) {
            trap_set_handler(VECTOR_FIRST + i, on_own_vector);
        }
        run_on_all(job_own_vector);
        check_end();
    }
}

/* ---- IPIs ------------------------------------------------------------------------------------------------------ */

#define IPI_ROUNDS 200

/* vCPU 0 asks each of the others in turn; every question is answered before the next. */
static void on_question(struct cpu *cpu) {
    WRITE_ONCE(cpu->progress, cpu->progress + 1);
    event_send(cpus[0].ipi_port);
}

static void check_replies(void) {
    for (u32 i = 1; i < cpu_count; i++) {
        struct cpu *self = &cpus[0], *other = &cpus[i];
        u32 port = ipi_bind(i);
        port_own(other, port, on_question);
        struct evtchn_status status = {.dom = DOMID_SELF, .port = port};
        check_equal("result of status", 0, hv_event_channel_op(EVTCHNOP_STATUS, &status));
        check_equal("status of the port", 5, status.status);
        check_equal("vCPU of the port", i, status.vcpu);
        u64 asked = other->progress, replies = self->ipis;
        for (u32 round = 1; round <= IPI_ROUNDS * scale; round++) {
            event_send(port);
            SLEEP_UNTIL(self, READ_ONCE(self->ipis) >= replies + round);
        }
        check_equal("questions", IPI_ROUNDS * scale, other->progress - asked);
        check_equal("replies", IPI_ROUNDS * scale, self->ipis - replies);
        port_close(other, port);
    }
}

/* A token goes round; whoever holds it sends it on. */
static u64 token;

static void job_ring(struct cpu *cpu) {
    u64 rounds = IPI_ROUNDS * scale;
    struct cpu *next = &cpus[(cpu->id + 1) % cpu_count];
    for (u64 round = 0; round < rounds; round++) {
        u64 mine = round * cpu_count + cpu->id;
        SLEEP_UNTIL(cpu, READ_ONCE(token) == mine);
        WRITE_ONCE(token, mine + 1);
        event_send(next->ipi_port);
    }
}

/* ---- timers ---------------------------------------------------------------------------------------------------- */

#define TIMER_ROUNDS 20

static u64 set_single_shot(struct cpu *cpu, u64 deadline, u32 flags) {
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = deadline, .flags = flags};
    return (u64)hv_vcpu_op(VCPUOP_SET_SINGLESHOT_TIMER, cpu->id, &timer);
}

static void job_timers(struct cpu *cpu) {
    for (u32 round = 0; round < TIMER_ROUNDS; round++) {
        u64 before = cpu->ticks;
        u64 deadline = cpu_now(cpu) + NS_PER_MS + cpu->id * 100000;
        cpu_expect(cpu, "result of set_singleshot_timer", 0, set_single_shot(cpu, deadline, 0));
        SLEEP_UNTIL(cpu, READ_ONCE(cpu->ticks) != before);
        cpu_expect(cpu, "ticks of one shot", before + 1, cpu->ticks);
        cpu_expect(cpu, "too early", 0, cpu_now(cpu) < deadline);
    }
    u64 before = cpu->ticks;
    cpu_expect(cpu, "result of a deadline that has passed", -ETIME,
               set_single_shot(cpu, cpu_now(cpu) - NS_PER_MS, VCPU_SSHOTTMR_FUTURE));
    cpu_expect(cpu, "ticks of a timer that was refused", before, cpu->ticks);
    cpu_expect(cpu, "result of a deadline that has passed", 0, set_single_shot(cpu, cpu_now(cpu) - NS_PER_MS, 0));
    SLEEP_UNTIL(cpu, READ_ONCE(cpu->ticks) != before);

    before = cpu->ticks;
    set_single_shot(cpu, cpu_now(cpu) + NS_PER_S * 3600, 0);
    cpu_expect(cpu, "result of stop_singleshot_timer", 0,
               (u64)hv_vcpu_op(VCPUOP_STOP_SINGLESHOT_TIMER, cpu->id, NULL));
    u64 period = 2 * NS_PER_MS, start = cpu_now(cpu);
    cpu_expect(cpu, "result of set_periodic_timer", 0, (u64)hv_vcpu_op(VCPUOP_SET_PERIODIC_TIMER, cpu->id, &period));
    SPIN_UNTIL(READ_ONCE(cpu->ticks) >= before + 5);
    cpu_expect(cpu, "too early for five ticks", 0, cpu_now(cpu) - start < 4 * period);
    cpu_expect(cpu, "result of stop_periodic_timer", 0,
               (u64)hv_vcpu_op(VCPUOP_STOP_PERIODIC_TIMER, cpu->id, NULL));

    struct evtchn_bind_virq again = {.virq = VIRQ_TIMER, .vcpu = cpu->id};
    cpu_expect(cpu, "result of binding the timer again", -EEXIST, (u64)hv_event_channel_op(EVTCHNOP_BIND_VIRQ, &again));
    if (cpu_count > 1) {
        struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = cpu_now(cpu)};
        cpu_expect(cpu, "result of setting another's timer", -EINVAL,
                   (u64)hv_vcpu_op(VCPUOP_SET_SINGLESHOT_TIMER, (cpu->id + 1) % cpu_count, &timer));
    }
}

void check_events(void) {
    if (cpu_count > 1 && check_start("IPIs-and-replies")) {
        check_replies();
        check_end();
    }
    if (cpu_count > 1 && check_start("IPIs-in-a-ring")) {
        token = 0;
        run_on_all(job_ring);
        check_equal("token", IPI_ROUNDS * scale * cpu_count, token);
        check_end();
    }
    if (check_start("timers")) {
        run_on_all(job_timers);
        check_end();
    }
}

/* ---- wake-ups -------------------------------------------------------------------------------------------------- */

/*
 * Two vCPUs wake each other up, thousands of times. A wake-up that is lost leaves both asleep, and then the timer says so: it
 * wakes one of them up long after, with nothing to do.
 */
#define WAKE_UPS 10000
#define WATCHDOG_NS (30 * NS_PER_S)

static struct pair {
    u64 ball; /* even: the first one's turn */
} __attribute__((aligned(64))) pairs[MAX_CPUS / 2];

static u64 wake_up_rounds(void) {
    u64 rounds = WAKE_UPS * scale / (cpu_count / 2);
    return rounds - rounds % 2;
}

static struct cpu *partner(struct cpu *cpu) {
    return &cpus[cpu->id ^ 1];
}

static bool has_partner(const struct cpu *cpu) {
    return (cpu->id | 1) < cpu_count;
}

static bool lost(struct cpu *cpu, u64 ticks) {
    return READ_ONCE(cpu->ticks) != ticks;
}

static void ping_pong(struct cpu *cpu, u32 partners_port, void (*wait)(struct cpu *cpu, const u64 *ball, u64 mine)) {
    if (!has_partner(cpu)) {
        return;
    }
    u64 *ball = &pairs[cpu->id / 2].ball;
    for (u64 mine = cpu->id & 1; mine < wake_up_rounds(); mine += 2) {
        u64 ticks = cpu->ticks;
        if (mine % 512 < 2) {
            set_single_shot(cpu, cpu_now(cpu) + WATCHDOG_NS, 0);
        }
        wait(cpu, ball, mine);
        if (lost(cpu, ticks)) {
            cpu_expect(cpu, "the ball; lost at", *ball, ~mine);
            __atomic_store_n(ball, ~0ul >> 1, __ATOMIC_SEQ_CST); /* let go of the other */
        }
        if (READ_ONCE(*ball) == ~0ul >> 1) {
            event_send(partners_port);
            break;
        }
        WRITE_ONCE(*ball, mine + 1);
        event_send(partners_port);
    }
    hv_vcpu_op(VCPUOP_STOP_SINGLESHOT_TIMER, cpu->id, NULL);
}

static void wait_in_block(struct cpu *cpu, const u64 *ball, u64 mine) {
    u64 ticks = cpu->ticks;
    SLEEP_UNTIL(cpu, READ_ONCE(*ball) >= mine || lost(cpu, ticks));
}

static void job_block(struct cpu *cpu) {
    ping_pong(cpu, partner(cpu)->ipi_port, wait_in_block);
}

/* With events on, with events off, and with a timeout that is never to come. */
static void wait_in_poll(struct cpu *cpu, const u64 *ball, u64 mine) {
    u64 ticks = cpu->ticks;
    bool off = mine % 6 < 2;
    if (off) {
        cpu_events_off(cpu);
    }
    while (READ_ONCE(*ball) < mine && !lost(cpu, ticks)) {
        u64 deadline = mine % 6 < 4 ? cpu_now(cpu) + WATCHDOG_NS : 0;
        event_poll(cpu->poll_port, deadline);
        if (deadline != 0 && cpu_now(cpu) >= deadline) {
            WRITE_ONCE(cpu->ticks, cpu->ticks + 1);
        }
        event_clear(cpu->poll_port);
    }
    if (off) {
        cpu_events_on(cpu);
    }
}

static void job_poll(struct cpu *cpu) {
    ping_pong(cpu, partner(cpu)->poll_port, wait_in_poll);
}

static void check_ping_pong(const char *name, job what) {
    if (!check_start(name)) {
        return;
    }
    for (u32 i = 0; i < MAX_CPUS / 2; i++) {
        pairs[i].ball = 0;
    }
    u64 start = time_now();
    run_on_all(what);
    u64 rounds = wake_up_rounds();
    for (u32 i = 0; i < cpu_count / 2; i++) {
        check_equal("rounds", rounds, pairs[i].ball);
    }
    printf("smp: %s: %lu wake-ups a pair, %lu ns each\n", name, rounds, (time_now() - start) / rounds);
    check_end();
}

void check_wake_ups(void) {
    check_ping_pong("wake-ups-from-block", job_block);
    check_ping_pong("wake-ups-from-poll", job_poll);
}
