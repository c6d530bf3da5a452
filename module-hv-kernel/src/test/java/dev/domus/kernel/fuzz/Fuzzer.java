package dev.domus.kernel.fuzz;

import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.event.EventChannels;
import dev.domus.kernel.event.PortScan;
import dev.domus.kernel.grant.GrantScan;
import dev.domus.kernel.mmu.MachineScan;
import dev.domus.kernel.testing.TinyMachine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Throws hypercalls of {@link CallGenerator} at a machine with several domains, one of them
 * privileged, and looks every few thousand calls whether memory, grants and ports still fit
 * together.
 *
 * <p>One thread makes all calls, in the place of vCPUs whose domains are paused: so a seed gives
 * the same calls in the same order each time, and a failure can be had again with {@link #run} of
 * the seed that the failure names. A domain that has died, or has unmapped so much that it can say
 * nothing any more, is destroyed with everything that it has in use, and another made.
 *
 * <p><b>Why not Jazzer.</b> Jazzer 0.24 runs on JDK 25 but does not instrument class files of that
 * version, so it gets no coverage and finds nothing that this does not: a three-byte comparison
 * that it solves at once in a class compiled for Java 17 it does not solve in four million runs in
 * one compiled for 25. It could also fuzz only one method a JVM, with a machine built for each
 * input.
 */
final class Fuzzer implements AutoCloseable {
  private static final int DOMAINS = 4, VCPUS = 2;
  private static final long MEMORY = 8L << 20; // little enough to run out of
  private static final int SYSCALL_LENGTH = 2;
  private static final int CALLS_A_LIFE = 3000;

  /** More than a domain needs to be built: its pages, shared info, grant and status frames. */
  private static final int FRAMES_A_DOMAIN = 2 * TinyMachine.GUEST_PAGES;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1, MEMORY);
  private final Domain[] domains = new Domain[DOMAINS];
  private final int[] domids = new int[DOMAINS];
  private final Set<Integer> oncePrivileged = new HashSet<>();
  private final int[] age = new int[DOMAINS];
  private final long[] answers = new long[HypercallNumber.LIMIT];
  private final long[] succeeded = new long[HypercallNumber.LIMIT];
  private final long freeAtStart;
  private final int scanEvery;
  private long calls;
  private Vcpu lastCaller;
  private int lastNumber;

  /** Makes a machine and its domains, to be scanned after every so many calls. */
  Fuzzer(int scanEvery) {
    this.scanEvery = scanEvery;
    freeAtStart = machine.hypervisor().machineFrames().allocator().freeFrames();
    for (int i = 0; i < DOMAINS; i++) {
      build(i);
    }
  }

  private void build(int i) {
    domains[i] = i == 0 ? machine.buildPrivileged(VCPUS) : machine.build(VCPUS);
    domids[i] = domains[i].domid();
    if (i == 0) {
      oncePrivileged.add(domids[i]);
    }
    domains[i].grants().grow(1);
    age[i] = 0;
  }

  /** How many calls have been made. */
  long calls() {
    return calls;
  }

  /** Of the calls of each number, how many were made and how many did something. */
  String coverage() {
    StringBuilder text = new StringBuilder();
    for (int number = 0; number < answers.length; number++) {
      if (answers[number] != 0) {
        text.append(
            "%s %d/%d  "
                .formatted(HypercallNumber.name(number), succeeded[number], answers[number]));
      }
    }
    return text.toString();
  }

  /** How many calls of a number did something. */
  long succeeded(int number) {
    return succeeded[number];
  }

  /** Makes calls from one seed, scans, and throws what was found with the seed in its message. */
  void run(long seed, int count) {
    SplittableRandom random = new SplittableRandom(seed);
    CallGenerator generator = new CallGenerator(machine.hypervisor(), random, domids);
    int done = 0;
    try {
      for (; done < count; done++) {
        int i = random.nextInt(DOMAINS);
        if (machine.hypervisor().domain(domids[i]) == null
            || !domains[i].mayRun()
            || age[i]++ > CALLS_A_LIFE) {
          rebuild(i);
        }
        Vcpu v = domains[i].vcpu(random.nextInt(8) == 0 ? 1 : 0);
        if (v.kernelTable() < 0) {
          v = domains[i].vcpu(0);
        }
        call(v, generator, random);
        if (done % scanEvery == scanEvery - 1) {
          scan();
        }
      }
      scan();
    } catch (RuntimeException | Error found) {
      throw new AssertionError(
          "fuzzer: seed=%d call=%d %s".formatted(seed, done, lastCall()), found);
    }
  }

  private String lastCall() {
    if (lastCaller == null) {
      return "";
    }
    long[] gpr = lastCaller.state().gpr;
    return "%s: %s rdi=0x%x rsi=0x%x rdx=0x%x r10=0x%x"
        .formatted(
            lastCaller.label(),
            HypercallNumber.name(lastNumber),
            gpr[CpuState.RDI],
            gpr[CpuState.RSI],
            gpr[CpuState.RDX],
            gpr[CpuState.R10]);
  }

  private void call(Vcpu v, CallGenerator generator, SplittableRandom random) {
    v.enterKernel();
    generator.next(v);
    lastCaller = v;
    lastNumber = (int) v.state().gpr[CpuState.RAX];
    long called = v.state().rip;
    machine.hypervisor().hypercalls().dispatch(v);
    while (v.state().rip == called - SYSCALL_LENGTH && random.nextInt(16) != 0) { // preempted
      v.state().rip = called;
      machine.hypervisor().hypercalls().dispatch(v);
    }
    calls++;
    if (lastNumber >= 0 && lastNumber < answers.length) {
      answers[lastNumber]++;
      long result = v.state().gpr[CpuState.RAX];
      succeeded[lastNumber] += result >= 0 ? 1 : 0;
      if (result <= -4096 && !answersAnything(lastNumber)) {
        throw new AssertionError("neither an error number nor an answer: rax=" + result);
      }
    }
  }

  private static boolean answersAnything(int number) {
    return number == HypercallNumber.IRET
        || number == HypercallNumber.MULTICALL // that may end in an iret
        || number == HypercallNumber.GET_DEBUGREG;
  }

  private void rebuild(int i) {
    machine.hypervisor().destroyDomain(domids[i]);
    if (roomFor(machine, 1)) {
      build(i);
      return;
    }
    machine.hypervisor().destroyDomains(); // the others have it all: a privileged one lets them
    for (int each = 0; each < DOMAINS; each++) {
      build(each);
    }
  }

  /** Says whether there is memory for more domains. */
  static boolean roomFor(TinyMachine machine, int domains) {
    return machine.hypervisor().machineFrames().allocator().freeFrames()
        >= (long) domains * FRAMES_A_DOMAIN;
  }

  private void scan() {
    scan(machine, domids, oncePrivileged, VCPUS);
  }

  /** Throws an AssertionError unless memory, grants and ports fit together. No vCPU may run. */
  static void scan(TinyMachine machine, int[] domids, Set<Integer> oncePrivileged, int vcpus) {
    for (int domid : domids) {
      if (machine.hypervisor().dying(domid) != null) { // half taken apart by a domctl
        machine.hypervisor().destroyDomain(domid);
      }
    }
    for (Domain domain : machine.hypervisor().domains()) { // made by a privileged one's domctl
      if (Arrays.stream(domids).noneMatch(domid -> domid == domain.domid())) {
        machine.hypervisor().destroyDomain(domain.domid());
      }
    }
    MachineScan.scan(machine.hypervisor(), oncePrivileged);
    GrantScan.scan(machine.hypervisor());
    List<EventChannels> ports = new ArrayList<>();
    for (Domain domain : machine.hypervisor().domains()) {
      ports.add(domain.events());
    }
    PortScan.scan(ports, machine.hypervisor(), vcpus);
  }

  /** Destroys all domains; then all memory must be free again. */
  void end() {
    machine.hypervisor().destroyDomains();
    long free = machine.hypervisor().machineFrames().allocator().freeFrames();
    if (free != freeAtStart) {
      throw new AssertionError("lost frames: before=%d now=%d".formatted(freeAtStart, free));
    }
  }

  @Override
  public void close() {
    machine.close();
  }
}
