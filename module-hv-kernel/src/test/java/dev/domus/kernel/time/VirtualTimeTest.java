package dev.domus.kernel.time;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.dispatch.RunstateInfo;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.plugin.DeterministicMode;
import dev.domus.kernel.plugin.VirtualTime.Stop;
import dev.domus.kernel.service.Worker;
import dev.domus.kernel.servicedomain.ServiceTurns;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Time of a deterministic machine, to the nanosecond. */
@Timeout(60)
class VirtualTimeTest {
  private static final long ARG = 6 << 12, AREA = 7 << 12;
  private static final long MICRO = 1_000, MILLI = 1_000_000;
  private static final int STOP_PERIODIC = 7, RUNSTATE = 4, SINGLESHOT = 8;

  private final VirtualClock clock = new VirtualClock(0, DeterministicMode.USUAL_WALL_CLOCK);
  private final TinyMachine machine = TinyMachine.deterministic(TestSchedulers.roundRobin(), clock);
  private final Domain domain = machine.build(1);
  private final ScriptedVcpu guest = machine.engine().vcpu(0);

  @AfterEach
  void close() {
    clock.close();
    machine.close();
  }

  /** Makes a hypercall in the guest, which takes an instruction and an exit. */
  private long hypercall(int number, long... arguments) {
    guest.submit(s -> ScriptedVcpu.syscall(s, number, arguments));
    clock.runUntil(clock.nanoTime() + 1);
    return domain.vcpu(0).state().gpr[CpuState.RAX];
  }

  private void store(long... words) {
    for (int i = 0; i < words.length; i++) {
      domain.vcpu(0).guest().putLong(ARG + 8L * i, words[i]);
    }
  }

  @Test
  void timeIsTheInstructionsThatRetired() {
    machine.control().unpause(domain.domid());
    assertEquals(0, clock.nanoTime());
    assertEquals(Stop.TIME, clock.runUntil(5 * MILLI));
    assertEquals(5 * MILLI, clock.nanoTime());
    assertEquals(5 * MILLI / VirtualClock.NANOS_PER_INSTRUCTION, domain.vcpu(0).state().retired);
  }

  @Test
  void aHypercallTakesAMicrosecondAndItsInstruction() {
    machine.control().unpause(domain.domid());
    long before = clock.nanoTime();
    hypercall(HypercallNumber.VCPU_OP, STOP_PERIODIC, 0, 0);
    assertEquals(before + VirtualClock.NANOS_PER_INSTRUCTION + MICRO, clock.nanoTime());
  }

  @Test
  void aBasePointerThatIsLoadedAgainIsAFlushBeforeTheNextInstruction() {
    machine.control().unpause(domain.domid());
    clock.runUntil(MICRO);
    int newBasePointer = 5;
    store(newBasePointer, domain.vcpu(0).kernelTable(), 0);
    int before = guest.flushes();
    assertEquals(0, hypercall(HypercallNumber.MMUEXT_OP, ARG, 1, 0, Domid.SELF));
    int[] atNext = new int[1];
    guest.submit(s -> {
      atNext[0] = guest.flushes();
      return Exit.BUDGET;
    });
    clock.runUntil(clock.nanoTime() + 1);
    assertEquals(before + 1, atNext[0]);
  }

  @Test
  void thePeriodicTimerTicksAHundredTimesASecond() {
    machine.control().unpause(domain.domid());
    int port = domain.events().bindVirq(Virq.TIMER, 0);
    List<Long> ticks = new ArrayList<>();
    for (long at = 0; at < 50 * MILLI; at += 500 * MICRO) {
      clock.runUntil(at + 500 * MICRO);
      if (domain.events().isPending(port)) {
        ticks.add(at);
        domain.events().close(port);
        assertEquals(port, domain.events().bindVirq(Virq.TIMER, 0));
      }
    }
    assertEquals(List.of(10 * MILLI, 20 * MILLI, 30 * MILLI, 40 * MILLI), ticks);
  }

  @Test
  void aSingleShotTimerWakesASleeperAtItsInstant() {
    machine.control().unpause(domain.domid());
    hypercall(HypercallNumber.VCPU_OP, STOP_PERIODIC, 0, 0);
    int port = domain.events().bindVirq(Virq.TIMER, 0);
    long deadline = clock.nanoTime() + 700 * MILLI + 13;
    store(deadline, 0);
    assertEquals(0, hypercall(HypercallNumber.VCPU_OP, SINGLESHOT, 0, ARG));
    guest.submit(s -> ScriptedVcpu.syscall(s, HypercallNumber.SCHED_OP_COMPAT, 1));
    clock.runUntil(deadline);
    assertFalse(domain.events().isPending(port));
    long retired = domain.vcpu(0).state().retired;
    assertEquals(deadline, clock.nanoTime());
    clock.runUntil(deadline + 1);
    assertTrue(domain.events().isPending(port));
    assertTrue(domain.vcpu(0).state().retired <= retired + 1, "it slept until then");
  }

  @Test
  void theRunstatesAddUpToTheTime() {
    Domain other = machine.build(1);
    machine.control().unpause(domain.domid());
    machine.control().unpause(other.domid());
    clock.runUntil(200 * MILLI);
    RunstateInfo info = new RunstateInfo();
    domain.vcpu(0).unit().runstate(info);
    long sum = 0;
    for (int state = RunstateInfo.RUNNING; state <= RunstateInfo.OFFLINE; state++) {
      sum += info.nanosIn(state, clock.nanoTime());
    }
    assertEquals(clock.nanoTime(), sum);
    assertTrue(info.nanosIn(RunstateInfo.RUNNABLE, clock.nanoTime()) > 0, "the other ran too");
    assertEquals(0, hypercallUntilDone(RUNSTATE));
    assertEquals(RunstateInfo.RUNNING, domain.vcpu(0).guest().getInt(AREA));
  }

  private long hypercallUntilDone(int command) {
    var done =
        guest.submit(s -> ScriptedVcpu.syscall(s, HypercallNumber.VCPU_OP, command, 0, AREA));
    while (!done.isDone()) {
      clock.runUntil(clock.nanoTime() + MILLI);
    }
    return done.join().gpr[CpuState.RAX];
  }

  @Test
  void idleTimePassesAtOnceAndNothingToDoIsSaid() {
    assertEquals(Stop.TIME, clock.runUntil(1L << 60));
    assertEquals(1L << 60, clock.nanoTime());
    assertEquals(Stop.NOTHING_TO_DO, clock.runUntil(Long.MAX_VALUE));
    assertEquals(1L << 60, clock.nanoTime());
  }

  @Test
  void aDomainThatEndsStopsTheTime() {
    machine.control().unpause(domain.domid());
    clock.runUntil(MILLI);
    store(0);
    guest.submit(s -> ScriptedVcpu.syscall(s, HypercallNumber.SCHED_OP, 2, ARG));
    assertEquals(Stop.DOMAIN_ENDED, clock.runUntil(Long.MAX_VALUE));
    assertEquals(MILLI + VirtualClock.NANOS_PER_INSTRUCTION + MICRO, clock.nanoTime());
  }

  @Test
  void servicesWorkWhileTheGuestsStandStill() {
    List<Long> at = new ArrayList<>();
    try (ServiceTurns turns = new ServiceTurns(clock);
        Worker first = turns.worker();
        Worker second = turns.worker()) {
      machine.control().unpause(domain.domid());
      // By the pCPU's thread outside guest mode, as services are given all their work.
      Runnable given = () -> first.execute(() -> second.execute(() -> at.add(clock.nanoTime())));
      clock.timers().arm(new TimerQueue.Timer(given), 7 * MICRO);
      clock.runUntil(MILLI);
      assertEquals(List.of(7 * MICRO), at);
      first.call(() -> at.add(-1L));
      assertEquals(-1, at.getLast());
    }
  }

  @Test
  void aStopFromAServiceIsAtItsInstant() {
    try (ServiceTurns turns = new ServiceTurns(clock);
        Worker worker = turns.worker()) {
      machine.control().unpause(domain.domid());
      guest.submit(s -> {
        worker.execute(clock::stop);
        return ScriptedVcpu.syscall(s, HypercallNumber.VCPU_OP, STOP_PERIODIC, 0, 0);
      });
      assertEquals(Stop.ASKED, clock.runUntil(MILLI));
      assertEquals(VirtualClock.NANOS_PER_INSTRUCTION + MICRO, clock.nanoTime());
    }
  }

  @Test
  void theHashTellsWhateverDiffers() {
    String before = StateHash.of(domain);
    assertEquals(before, StateHash.of(domain));
    long page = machine.control().mfn(domain.domid(), 20) << 12;
    changes(before, () -> flip(page + 4095));
    changes(before, () -> flip(domain.sharedInfo() + 2048));
    changes(before, () -> domain.vcpu(0).state().gpr[CpuState.R15] ^= 1);
    changes(before, () -> domain.vcpu(0).state().fpu.xmm[31] ^= 1);
    changes(before, () -> domain.vcpu(0).state().retired ^= 1);
    domain.vcpu(0).timers().armSingleShot(77);
    assertNotEquals(before, StateHash.of(domain));
    domain.vcpu(0).timers().disarmSingleShot();
    assertEquals(before, StateHash.of(domain));
    int port = domain.events().bindVirq(Virq.TIMER, 0);
    assertNotEquals(before, StateHash.of(domain));
    domain.events().close(port);
    clock.runUntil(1);
    assertNotEquals(before, StateHash.of(domain), "another time is another state");
  }

  private void flip(long ma) {
    var memory = machine.hypervisor().memory();
    byte old = memory.get(ValueLayout.JAVA_BYTE, ma);
    memory.set(ValueLayout.JAVA_BYTE, ma, (byte) (old ^ 1));
  }

  /** A change that takes itself back when it is made twice. */
  private void changes(String before, Runnable change) {
    change.run();
    assertNotEquals(before, StateHash.of(domain));
    change.run();
    assertEquals(before, StateHash.of(domain));
  }

  @Test
  void thereIsOnePcpuForEver() {
    assertThrows(
        IllegalArgumentException.class,
        () ->
            machine
                .hypervisor()
                .dispatcher()
                .createPool("another", 1, TestSchedulers.roundRobin(), Map.of()));
  }
}
