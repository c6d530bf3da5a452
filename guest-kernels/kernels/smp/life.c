/* SPDX-License-Identifier: Apache-2.0 */
/* Taking vCPUs down and up again, and the accounts of their time. */
#include "console.h"
#include "events.h"
#include "hypercall.h"
#include "kernels/smp/cpu.h"
#include "runtime.h"
#include "time.h"

static struct runstate_info runstate_of(u32 cpu) {
    struct runstate_info info;
    must_succeed("get_runstate_info", hv_vcpu_op(VCPUOP_GET_RUNSTATE_INFO, cpu, &info));
    return info;
}

/* ---- down and up ------------------------------------------------------------------------------------------------- */

#define DOWNS (20 * scale)

static u64 stop;

/* Registers that go through being down must come back. */
static void job_count(struct cpu *cpu) {
    u64 a = cpu->id, b = ~a, c = a * 3, d = a ^ 0x5a5a;
    while (!READ_ONCE(stop)) {
        __asm__ volatile("inc %0; dec %1; add $3, %2" : "+r"(a), "+r"(b), "+r"(c), "+r"(d) : : "cc");
        cpu_expect(cpu, "register b", ~a, b);
        cpu_expect(cpu, "register c", a * 3, c);
        cpu_expect(cpu, "register d", cpu->id ^ 0x5a5a, d);
        WRITE_ONCE(cpu->progress, cpu->progress + 1);
    }
}

static void down_and_up(struct cpu *cpu) {
    u32 id = cpu->id;
    check_equal("result of down", 0, hv_vcpu_op(VCPUOP_DOWN, id, NULL));
    check_equal("is_up after down", 0, hv_vcpu_op(VCPUOP_IS_UP, id, NULL));
    SPIN_UNTIL(runstate_of(id).state == RUNSTATE_OFFLINE);
    u64 progress = READ_ONCE(cpu->progress), ipis = READ_ONCE(cpu->ipis);
    event_send(cpu->ipi_port);
    u64 until = time_now() + NS_PER_MS / 2;
    SPIN_UNTIL(time_now() >= until);
    check_equal("progress while down", progress, READ_ONCE(cpu->progress));
    check_equal("IPIs while down", ipis, READ_ONCE(cpu->ipis));
    check_equal("result of down again", 0, hv_vcpu_op(VCPUOP_DOWN, id, NULL));
    check_equal("run state of a vCPU that is down", RUNSTATE_OFFLINE, runstate_of(id).state);
    check_equal("result of up", 0, hv_vcpu_op(VCPUOP_UP, id, NULL));
    SPIN_UNTIL(READ_ONCE(cpu->progress) > progress);
    SPIN_UNTIL(READ_ONCE(cpu->ipis) > ipis);
    check_equal("IPIs after being down", ipis + 1, READ_ONCE(cpu->ipis));
}

/* No waiting in between: the vCPU may not have noticed that it is down when it is up again. */
static void down_and_up_at_once(struct cpu *cpu) {
    hv_vcpu_op(VCPUOP_DOWN, cpu->id, NULL);
    hv_vcpu_op(VCPUOP_UP, cpu->id, NULL);
    u64 progress = READ_ONCE(cpu->progress);
    SPIN_UNTIL(READ_ONCE(cpu->progress) > progress);
}

static void job_down_by_itself(struct cpu *cpu) {
    if (cpu->id != 0) {
        cpu_expect(cpu, "result of down, after up", 0, (u64)hv_vcpu_op(VCPUOP_DOWN, cpu->id, NULL));
        WRITE_ONCE(cpu->progress, cpu->progress + 1);
    }
}

/* Asleep, and with an event that comes when it is down. On Xen its run state becomes offline with the event only. */
static void down_while_asleep(struct cpu *cpu) {
    SPIN_UNTIL(runstate_of(cpu->id).state == RUNSTATE_BLOCKED);
    u64 ipis = cpu->ipis;
    hv_vcpu_op(VCPUOP_DOWN, cpu->id, NULL);
    event_send(cpu->ipi_port);
    SPIN_UNTIL(runstate_of(cpu->id).state == RUNSTATE_OFFLINE);
    check_equal("IPIs while down", ipis, READ_ONCE(cpu->ipis));
    hv_vcpu_op(VCPUOP_UP, cpu->id, NULL);
    SPIN_UNTIL(READ_ONCE(cpu->ipis) == ipis + 1);
}

void check_down_and_up(void) {
    if (check_start("down-and-up-of-others")) {
        stop = 0;
        job_start(job_count);
        for (u64 round = 0; round < DOWNS; round++) {
            down_and_up(&cpus[1 + round % (cpu_count - 1)]);
            down_and_up_at_once(&cpus[1 + round % (cpu_count - 1)]);
        }
        WRITE_ONCE(stop, 1);
        job_wait();
        check_end();
    }
    if (check_start("down-by-itself")) {
        u64 progress[MAX_CPUS];
        for (u32 i = 1; i < cpu_count; i++) {
            progress[i] = cpus[i].progress;
        }
        job_start(job_down_by_itself);
        for (u32 i = 1; i < cpu_count; i++) {
            SPIN_UNTIL(hv_vcpu_op(VCPUOP_IS_UP, i, NULL) == 0);
            SPIN_UNTIL(runstate_of(i).state == RUNSTATE_OFFLINE);
            check_equal("progress while down", progress[i], READ_ONCE(cpus[i].progress));
            check_equal("result of up", 0, hv_vcpu_op(VCPUOP_UP, i, NULL));
        }
        job_wait();
        check_end();
    }
    if (check_start("down-while-asleep")) {
        for (u32 i = 1; i < cpu_count; i++) {
            down_while_asleep(&cpus[i]);
        }
        check_end();
    }
}

/* ---- run states --------------------------------------------------------------------------------------------------- */

static u64 sum_of(const struct runstate_info *info) {
    u64 sum = 0;
    for (u32 i = 0; i < RUNSTATES; i++) {
        sum += info->time[i];
    }
    return sum;
}

/* Time is neither lost nor made: between two looks the times grow by what the clock does. */
#define SLACK_NS (NS_PER_MS / 10)

static void check_sum(u32 id) {
    u64 t0 = time_now();
    struct runstate_info first = runstate_of(id);
    u64 t1 = time_now();
    u64 until = t1 + 2 * NS_PER_MS;
    SPIN_UNTIL(time_now() >= until);
    u64 t2 = time_now();
    struct runstate_info second = runstate_of(id);
    u64 t3 = time_now();
    u64 grown = sum_of(&second) - sum_of(&first);
    if (grown + SLACK_NS < t2 - t1 || grown > t3 - t0 + SLACK_NS) {
        check_equal("ns that have passed by the run states", t2 - t1, grown);
    }
    for (u32 i = 0; i < RUNSTATES; i++) {
        check_equal("a time that ran backwards", 0, second.time[i] < first.time[i]);
    }
    check_equal("a state from the future", 0, second.state_entry_time > t3 + SLACK_NS);
}

/* Everybody reads everybody's, while they sleep, wake up and yield. */
static u64 torn_until;

static void job_read_runstates(struct cpu *cpu) {
    u64 last[MAX_CPUS] = {0};
    u32 rounds = 0;
    while (cpu_now(cpu) < torn_until) {
        u32 id = rounds++ % cpu_count;
        struct runstate_info info = runstate_of(id);
        cpu_expect(cpu, "a state that there is", 0, (u32)info.state >= RUNSTATES);
        u64 sum = sum_of(&info);
        cpu_expect(cpu, "a sum that ran backwards", 0, sum + SLACK_NS < last[id]);
        last[id] = sum;
        if (rounds % 64 == 0) {
            u64 before = cpu->ticks;
            struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = cpu_now(cpu) + 50000};
            hv_vcpu_op(VCPUOP_SET_SINGLESHOT_TIMER, cpu->id, &timer);
            SLEEP_UNTIL(cpu, READ_ONCE(cpu->ticks) != before);
        } else if (rounds % 16 == 0) {
            hv_sched_op(SCHEDOP_YIELD, NULL);
        }
    }
}

static struct runstate_info areas[MAX_CPUS] __attribute__((aligned(64)));

static void job_area(struct cpu *cpu) {
    struct runstate_info *area = &areas[cpu->id];
    u64 address = (u64)area;
    cpu_expect(cpu, "result of register_runstate_memory_area", 0,
               (u64)hv_vcpu_op(VCPUOP_REGISTER_RUNSTATE, cpu->id, &address));
    cpu_expect(cpu, "state in the area", RUNSTATE_RUNNING, (u64)(s64)READ_ONCE(area->state));
    cpu_expect(cpu, "a time in the area", 1, READ_ONCE(area->time[RUNSTATE_RUNNING]) + READ_ONCE(area->state_entry_time) != 0);
    u64 at_first = READ_ONCE(area->time[RUNSTATE_BLOCKED]);
    for (u32 round = 0; round < 5; round++) {
        u64 blocked = READ_ONCE(area->time[RUNSTATE_BLOCKED]), before = cpu->ticks;
        struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = cpu_now(cpu) + 3 * NS_PER_MS};
        hv_vcpu_op(VCPUOP_SET_SINGLESHOT_TIMER, cpu->id, &timer);
        SLEEP_UNTIL(cpu, READ_ONCE(cpu->ticks) != before);
        cpu_expect(cpu, "state in the area", RUNSTATE_RUNNING, (u64)(s64)READ_ONCE(area->state));
        cpu_expect(cpu, "less time asleep in the area", 0, READ_ONCE(area->time[RUNSTATE_BLOCKED]) < blocked);
        cpu_expect(cpu, "a state from the future in the area", 0, READ_ONCE(area->state_entry_time) > cpu_now(cpu));
    }
    /* A single one can be too late to sleep: the others may have had the processor until it was over. */
    cpu_expect(cpu, "more time asleep in the area", 1, READ_ONCE(area->time[RUNSTATE_BLOCKED]) > at_first);
    address = 0;
    hv_vcpu_op(VCPUOP_REGISTER_RUNSTATE, cpu->id, &address);
}

void check_runstates(void) {
    if (check_start("run-states")) {
        check_equal("own state", RUNSTATE_RUNNING, runstate_of(0).state);
        check_sum(0);
        for (u32 i = 1; i < cpu_count; i++) {
            SPIN_UNTIL(runstate_of(i).state == RUNSTATE_BLOCKED);
            check_sum(i);
            check_equal("a vCPU that never ran", 0, runstate_of(i).time[RUNSTATE_RUNNING] == 0);
        }
        check_end();
    }
    if (check_start("run-states-read-by-all")) {
        torn_until = time_now() + 200 * NS_PER_MS * scale;
        run_on_all(job_read_runstates);
        check_end();
    }
    if (check_start("run-state-areas")) {
        run_on_all(job_area);
        check_end();
    }
}
