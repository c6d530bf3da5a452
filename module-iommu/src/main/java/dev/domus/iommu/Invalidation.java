package dev.domus.iommu;

import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * What the hardware does when translations are withdrawn, in the thread of whoever withdraws them.
 *
 * <p>When one of these methods returns, no access uses what the tables no longer say, and none that
 * began before is still under way: the frame may have another owner. The steps, in two rounds:
 *
 * <pre>
 *   withdrawer                                     a device's access
 *   0  clear the entries of the tables             a  announce domain and block   (fence)
 *   1  remove the range from the caches            b  look into the cache, or walk and insert
 *      (fence)                                     c  move the bytes
 *   2  wait for accesses that touch the range      d  take the announcement back
 *   3  if there were any: once more 1 and 2
 * </pre>
 *
 * <p>Whoever announces after 2 looked finds caches without the range and tables without it, unless
 * an access of before has inserted what it had walked to before 0. Such an access is among those
 * that 2 waits for, so after 2 nobody can insert what is stale, 3 removes what was inserted, and
 * waits for who has used it meanwhile. Each wait is for one access of a slot, and no access is
 * longer than 64 KiB.
 *
 * <p>Only ports that have used the domain are looked at; a port enters itself ({@link #addUser})
 * before its first access.
 */
final class Invalidation {
  private static final DmaPort[] NONE = {};
  private static final long LAST = -1L;

  private final SecondLevelWalk caches;

  /** By domain id: ports whose accesses may be announced under it. */
  private final AtomicReferenceArray<DmaPort[]> users =
      new AtomicReferenceArray<>(IommuUnit.DOMAIN_IDS);

  Invalidation(SecondLevelWalk caches) {
    this.caches = caches;
  }

  // ---- who uses what; under the unit's lock

  void addUser(int did, DmaPort port) {
    DmaPort[] now = users(did);
    if (!Arrays.asList(now).contains(port)) {
      DmaPort[] more = Arrays.copyOf(now, now.length + 1);
      more[now.length] = port;
      users.set(did, more);
    }
  }

  /** Forgets a port that has no access under way with a domain, and cannot begin one. */
  void removeUser(DmaPort port) {
    for (int did = 0; did < users.length(); did++) {
      DmaPort[] now = users.get(did);
      if (now != null && Arrays.asList(now).contains(port)) {
        users.set(did, Arrays.stream(now).filter(each -> each != port).toArray(DmaPort[]::new));
      }
    }
  }

  private DmaPort[] users(int did) {
    DmaPort[] now = users.get(did);
    return now == null ? NONE : now;
  }

  // ---- complete invalidations

  /** Pages of a domain, leaves only: tables above them stay as they are. */
  void pages(int did, long first, long last) {
    removePages(did, first, last);
    if (drain(did, first, last)) {
      removePages(did, first, last);
      drain(did, first, last);
    }
  }

  /** All of a domain, tables too. */
  void domain(int did) {
    removeDomain(did);
    if (drain(did, 0, LAST)) {
      removeDomain(did);
      drain(did, 0, LAST);
    }
  }

  /** Everything. */
  void all() {
    removeAll();
    if (drainAll()) {
      removeAll();
      drainAll();
    }
  }

  // ---- the steps, for the queue, which waits once for many

  void removePages(int did, long first, long last) {
    caches.small.removeRange(did, first, last);
    caches.large.removeRange(did, first, last);
  }

  void removeTables(int did, long first, long last) {
    caches.tables.removeRange(did, first, last);
  }

  void removeDomain(int did) {
    caches.small.removeDomain(did);
    caches.large.removeDomain(did);
    caches.tables.removeDomain(did);
  }

  void removeAll() {
    caches.small.removeAll();
    caches.large.removeAll();
    caches.tables.removeAll();
  }

  boolean drain(int did, long first, long last) {
    VarHandle.fullFence();
    boolean any = false;
    for (DmaPort port : users(did)) {
      any |= port.announcements().drain(did, first, last);
    }
    return any;
  }

  boolean drainAll() {
    boolean any = false;
    for (int did = 0; did < users.length(); did++) {
      if (users.get(did) != null) {
        any |= drain(did, 0, LAST);
      }
    }
    return any;
  }
}
