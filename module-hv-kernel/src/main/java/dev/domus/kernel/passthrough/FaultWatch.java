package dev.domus.kernel.passthrough;

import dev.domus.iommu.FaultReason;
import dev.domus.iommu.FaultRecorder;
import dev.domus.iommu.RequesterId;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.pci.PciBus;
import dev.domus.kernel.pci.PciFunction;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntFunction;

/**
 * Reads the IOMMU's faults: counts them against the function and the domain that has it, says so in
 * the log, and gives a function up that causes too many.
 *
 * <p>Whose faults they are a guest decides, so what they cost is bounded: a requester has one
 * record, what follows is only counted (see {@link FaultRecorder}); records are read {@value
 * #READINGS_A_SECOND} times a second at most; a function's faults are logged when their number
 * passes a power of two. Too many is more than {@value #STORM} in a second: such a device is put in
 * quarantine, where it makes no more.
 */
final class FaultWatch implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(FaultWatch.class.getName());
  private static final int READINGS_A_SECOND = 100;
  private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(1) / READINGS_A_SECOND;

  /** A driver that programs wrong addresses by mistake makes some thousands. */
  static final long STORM = 100_000;

  private final FaultRecorder faults;
  private final PciBus bus;
  private final IntFunction<Domain> domains;
  private final Thread thread;
  private volatile boolean closed;

  /** By requester: faults of the present second. The thread's own. */
  private final Map<Integer, Second> seconds = new HashMap<>();

  private static final class Second {
    long began = System.nanoTime();
    long count;
  }

  /** Begins to watch. */
  FaultWatch(FaultRecorder faults, PciBus bus, IntFunction<Domain> domains) {
    this.faults = faults;
    this.bus = bus;
    this.domains = domains;
    thread = Thread.ofPlatform().daemon().name("iommu-faults").unstarted(this::run);
    thread.start();
    faults.onPending(() -> LockSupport.unpark(thread));
  }

  private void run() {
    while (!closed) {
      if (faults.drain(this::fault) == 0) {
        LockSupport.park(this);
      } else {
        LockSupport.parkNanos(this, PAUSE_NANOS);
      }
    }
  }

  private void fault(int requester, FaultReason reason, long address, boolean write, long more) {
    Optional<PciFunction> found = bus.function(new RequesterId(requester));
    if (found.isEmpty()) {
      return;
    }
    PciFunction function = found.get();
    long count = more + 1;
    long before = function.faults();
    function.countFaults(count);
    int owner = Assignments.ownerOf(function);
    Domain domain = domains.apply(owner);
    if (domain != null) {
      domain.devices().countFaults(count);
    }
    if (Long.highestOneBit(before) != Long.highestOneBit(before + count)) {
      LOG.log(
          Level.WARNING,
          "device %s at %s, owner %s, was refused a %s: %s, %s=0x%x, faults=%d"
              .formatted(
                  function.model(),
                  function.id(),
                  owner < 0 ? "nobody" : "domain " + owner,
                  reason.ofInterrupt() ? "message" : write ? "write" : "read",
                  reason,
                  reason.ofInterrupt() ? "index" : "address",
                  address,
                  before + count));
    }
    if (isStorm(requester, count)) {
      function.giveUp("it caused more than " + STORM + " DMA faults in a second");
    }
  }

  private boolean isStorm(int requester, long count) {
    Second second = seconds.computeIfAbsent(requester, first -> new Second());
    long now = System.nanoTime();
    if (now - second.began > TimeUnit.SECONDS.toNanos(1)) {
      second.began = now;
      second.count = 0;
    }
    second.count += count;
    return second.count > STORM;
  }

  @Override
  public void close() {
    closed = true;
    LockSupport.unpark(thread);
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
