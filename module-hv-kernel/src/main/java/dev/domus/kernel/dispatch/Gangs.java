package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.CpuMask;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/**
 * Which vCPUs of a pool of cores are scheduled together: those of one domain whose numbers, divided
 * by the number of pCPUs of a core, are the same. Guarded by its own monitor, which is taken last
 * of all.
 */
final class Gangs {
  /** The vCPUs of one unit. */
  private record Key(int domid, int firstVcpu) {}

  private final Pool pool;
  private final int size;
  private final Map<Key, CoreUnit> units = new HashMap<>();

  Gangs(Pool pool, int size) {
    this.pool = pool;
    this.size = size;
  }

  /** How many pCPUs a core has. */
  int size() {
    return size;
  }

  private Key keyOf(int domid, int vcpu) {
    return new Key(domid, vcpu - vcpu % size);
  }

  /** Makes a vCPU that nobody else has a part of its unit, which may be new. */
  synchronized void join(DispatchUnit member, Seat seat) {
    Key key = keyOf(member.domid(), member.vcpu());
    CoreUnit unit = units.get(key);
    int place = member.vcpu() % size;
    if (unit == null || unit.gang().member(place) != null) {
      // In the latter case a former domain of that id is on its way out.
      Gang gang = new Gang(key.domid(), key.firstVcpu(), size);
      UnitParams params = combined(member.params(), member.params().affinity()::contains);
      unit =
          new CoreUnit(
              pool.roomiest(params),
              gang,
              key.domid(),
              key.firstVcpu(),
              params,
              pool.clock.nanoTime());
      units.put(key, unit);
    }
    member.becomePartOf(unit, seat);
    unit.gang().member(place, member);
    unit.recombine();
  }

  /**
   * Ends a vCPU's part in a unit that is on no core, with the lock of the unit's run queue.
   *
   * @return whether it was the last; then nobody joins any more
   */
  synchronized boolean letGo(CoreUnit unit, DispatchUnit member) {
    Gang gang = unit.gang();
    gang.member(gang.placeOf(member), null);
    if (gang.isEmpty()) {
      units.remove(keyOf(unit.domid(), unit.vcpu()), unit);
      return true;
    }
    return false;
  }

  /** What the operator wants of a unit's vCPUs, taken together. */
  synchronized UnitParams combine(CoreUnit unit) {
    Gang gang = unit.gang();
    for (int i = 0; i < size; i++) {
      DispatchUnit first = gang.member(i);
      if (first != null) {
        return combined(first.params(), pcpu -> allAllow(gang, pcpu));
      }
    }
    return unit.params();
  }

  private static boolean allAllow(Gang gang, int pcpu) {
    for (int i = 0; i < gang.size(); i++) {
      DispatchUnit member = gang.member(i);
      if (member != null && !member.params().affinity().contains(pcpu)) {
        return false;
      }
    }
    return true;
  }

  private UnitParams combined(UnitParams first, IntPredicate allowed) {
    return first
        .withAffinity(cores(allowed))
        .withSoftAffinity(cores(first.softAffinity()::contains));
  }

  /** The leaders of the cores all of whose pCPUs are allowed; all cores, if there are none. */
  private CpuMask cores(IntPredicate allowed) {
    int[] leaders =
        Arrays.stream(pool.leaders()).filter(leader -> isAllowed(leader, allowed)).toArray();
    return leaders.length == 0 || leaders.length == pool.leaders().length
        ? CpuMask.ALL
        : CpuMask.of(leaders);
  }

  private boolean isAllowed(int leader, IntPredicate allowed) {
    return IntStream.range(leader, leader + size).allMatch(allowed);
  }

  private boolean noCore(IntPredicate allowed) {
    return Arrays.stream(pool.leaders()).noneMatch(leader -> isAllowed(leader, allowed));
  }

  /**
   * Refuses an affinity that leaves a vCPU, or it and those that share its core, no core.
   *
   * @throws IllegalArgumentException so
   */
  synchronized void checkAffinity(int domid, int vcpu, CpuMask affinity) {
    if (noCore(affinity::contains)) {
      throw new IllegalArgumentException(
          "affinity has no whole core of the pool, whose cores have %d pCPUs each: affinity=%s pool=%s pcpus=%s"
              .formatted(size, affinity, pool.name(), Arrays.toString(pool.numbers())));
    }
    CoreUnit unit = units.get(keyOf(domid, vcpu));
    if (unit != null && noCore(pcpu -> affinity.contains(pcpu) && othersAllow(unit, vcpu, pcpu))) {
      throw new IllegalArgumentException(
          "d%dv%d shares its core with the others of %s, which would have none in common; let those run there first: affinity=%s pool=%s"
              .formatted(domid, vcpu, unit, affinity, pool.name()));
    }
  }

  private static boolean othersAllow(CoreUnit unit, int vcpu, int pcpu) {
    Gang gang = unit.gang();
    for (int i = 0; i < gang.size(); i++) {
      DispatchUnit other = gang.member(i);
      if (other != null && other.vcpu() != vcpu && !other.isLeaving()) {
        if (!other.params().affinity().contains(pcpu)) {
          return false;
        }
      }
    }
    return true;
  }
}
