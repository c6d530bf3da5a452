package dev.domus.kernel.fuzz;

import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.testing.TinyMachine;
import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.LongAdder;

/**
 * The fuzzer's calls from vCPUs that run at once on several pCPUs, while domains are paused,
 * scanned, destroyed and made again: what {@link Fuzzer} cannot find because it does one thing at a
 * time. What goes wrong here depends on timing and cannot be had again by its seed.
 */
final class Storm implements AutoCloseable {
  private static final int DOMAINS = 3, VCPUS = 2, PCPUS = 2;
  private static final long MEMORY = 8L << 20;
  private static final int ROUNDS_A_LIFE = 8;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), PCPUS, MEMORY);
  private final Domain[] domains = new Domain[DOMAINS];
  private final int[] domids = new int[DOMAINS];
  private final Set<Integer> oncePrivileged = new HashSet<>();
  private final int[] age = new int[DOMAINS];
  private final LongAdder calls = new LongAdder();
  private final long freeAtStart;
  private long seed;
  private int scripted;

  Storm(long seed) {
    this.seed = seed;
    freeAtStart = machine.hypervisor().machineFrames().allocator().freeFrames();
    for (int i = 0; i < DOMAINS; i++) {
      build(i);
    }
    goOn();
  }

  /** Builds a domain and leaves it paused. */
  private void build(int i) {
    domains[i] = i == 0 ? machine.buildPrivileged(VCPUS) : machine.build(VCPUS);
    domids[i] = domains[i].domid();
    if (i == 0) {
      oncePrivileged.add(domids[i]);
    }
    domains[i].grants().grow(1);
    age[i] = 0;
    for (int id = 0; id < VCPUS; id++) {
      Vcpu v = domains[i].vcpu(id);
      CallGenerator generator =
          new CallGenerator(machine.hypervisor(), new SplittableRandom(seed++), domids);
      machine
          .engine()
          .vcpu(scripted++)
          .storm(state -> {
            calls.increment();
            v.enterKernel();
            generator.next(v);
            return Exit.SYSCALL;
          });
    }
  }

  /** Lets all run, once all are built: the privileged one may destroy the others at once. */
  private void goOn() {
    for (Domain domain : domains) {
      while (domain.paused()) { // the privileged one pauses the others too
        domain.unpause();
      }
    }
  }

  /** How many calls have been made. */
  long calls() {
    return calls.sum();
  }

  /** Lets the domains go on for a while, then stops them all and scans. */
  void round(long millis) throws InterruptedException {
    for (long left = millis; left > 0; left--) {
      Thread.sleep(1); // the storm's length, not a wait for something
      for (Domain domain : domains) {
        for (int id = 0; id < VCPUS; id++) {
          domain.vcpu(id).wake(); // one that has blocked goes on
        }
      }
    }
    for (Domain domain : domains) {
      domain.pause();
    }
    Fuzzer.scan(machine, domids, oncePrivileged, VCPUS);
    int replaced = 0;
    for (int i = 0; i < DOMAINS; i++) {
      boolean gone = machine.hypervisor().domain(domids[i]) == null;
      if (gone || !domains[i].mayRun() || age[i]++ >= ROUNDS_A_LIFE) {
        machine.hypervisor().destroyDomain(domids[i]);
        replaced |= 1 << i;
      }
    }
    if (!Fuzzer.roomFor(machine, Integer.bitCount(replaced))) {
      machine.hypervisor().destroyDomains(); // the rest has it all: the privileged one lets it
      replaced = (1 << DOMAINS) - 1;
    }
    for (int i = 0; i < DOMAINS; i++) {
      if ((replaced >>> i & 1) != 0) {
        build(i);
      }
    }
    goOn();
  }

  /** Says how a domain ended that crashed by the hypervisor's fault, or nothing. */
  String hypervisorFault() {
    for (Domain domain : domains) {
      String report = domain.crashReport();
      if (report != null && report.contains("hypervisor or engine fault")) {
        return report;
      }
    }
    return "";
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
