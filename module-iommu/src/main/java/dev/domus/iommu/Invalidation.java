package dev.domus.iommu;

import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * What the hardware does when translations are withdrawn, in the thread of whoever withdraws them.
 *
 * <p>When one of these methods returns, no access uses what the tables no longer say, and none that
 * began before is still under way: the frame may have another owner. The steps:
 *
 * <pre>
 *   withdrawer                                     a device's access
 *   0  clear the entries of the tables   (fence)   a  announce domain and block   (fence)
 *   1  wait for accesses that touch the range      b  look into the cache, or walk and insert
 *   2  remove the range from the caches  (fence)   c  move the bytes
 *   3  wait for accesses that touch the range      d  take the announcement back
 * </pre>
 *
 * <p>Whoever announces after 1 looked finds tables without the range, so after 1 nobody can insert
 * what is stale, and what 2 removes stays away. Until then it may have been found in the cache; 3
 * waits for those. (To remove first, and to look again only if somebody was in, is not enough: who
 * has walked before 0 may insert after the removal and be out before anybody looks.) Each wait is
 * for one access of a slot, and no access is longer than 64 KiB.
 *
 * <p>An access inserts what it has walked to: of the page that it touches, or, where that is large,
 * of up to 2 MiB around it. So whoever withdraws a part of a large page, having split it, or takes
 * tables away, invalidates all of the domain.
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
    drain(did, first, last);
    removePages(did, first, last);
    drain(did, first, last);
  }

  /** All of a domain, tables too. */
  void domain(int did) {
    drain(did, 0, LAST);
    removeDomain(did);
    drain(did, 0, LAST);
  }

  /** Everything; for whoever has changed tables by other means than a domain. */
  void all() {
    drainAll();
    removeAll();
    drainAll();
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

  /** Waits for accesses under way that touch a range of a domain. */
  void drain(int did, long first, long last) {
    VarHandle.fullFence();
    for (DmaPort port : users(did)) {
      port.announcements().drain(did, first, last);
    }
  }

  /** Waits for all accesses under way. */
  void drainAll() {
    for (int did = 0; did < users.length(); did++) {
      if (users.get(did) != null) {
        drain(did, 0, LAST);
      }
    }
  }
}
