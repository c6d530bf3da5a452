package dev.domus.sched.credit2;

import dev.domus.kernel.sched.CapBucket;
import dev.domus.kernel.sched.SchedUnit;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/** The domains' caps, shared by all run queues of a pool. Thread-safe. */
final class Caps {
  private final ConcurrentMap<Integer, Domain> domains = new ConcurrentHashMap<>();

  /** A domain, as long as any of its units is in the pool. */
  static final class Domain {
    final CapBucket bucket;
    private int units; // changed in the map's atomic operations only

    private Domain(CapBucket bucket) {
      this.bucket = bucket;
    }
  }

  /** The domain of a unit that comes. */
  Domain enter(SchedUnit unit, long nowNanos) {
    return domains.compute(
        unit.domid(),
        (domid, known) -> {
          Domain domain = known != null ? known : new Domain(new CapBucket(unit.cap(), nowNanos));
          domain.units++;
          domain.bucket.cap(unit.cap());
          return domain;
        });
  }

  /** A unit goes. */
  void leave(SchedUnit unit) {
    domains.computeIfPresent(unit.domid(), (domid, domain) -> --domain.units == 0 ? null : domain);
  }
}
