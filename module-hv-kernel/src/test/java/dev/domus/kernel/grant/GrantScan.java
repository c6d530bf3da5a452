package dev.domus.kernel.grant;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.domain.Domain;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What holds of grants while nobody runs: each live mapping names the frame that its grant had when
 * it was made, and a grant is in use exactly by the mappings that there are.
 */
public final class GrantScan {
  /** A grant: the table it is of, which may be a dead domain's, and its reference. */
  private record Grant(GrantTable granter, int ref) {}

  private GrantScan() {}

  /** Throws an AssertionError unless pins and mappings agree. Nobody may hold a window. */
  public static void scan(Hypervisor hypervisor) {
    scan(hypervisor, REFS);
  }

  /** The same, where it is known that no grant beyond the first so many is in use. */
  public static void scan(Hypervisor hypervisor, int refs) {
    Map<Grant, int[]> uses = new HashMap<>();
    Set<GrantTable> tables = new HashSet<>();
    for (Domain domain : hypervisor.domains()) {
      tables.add(domain.grants());
      forEach(
          domain.grants(),
          (mapping, state) -> {
            Grant grant = new Grant(mapping.granter, mapping.ref);
            tables.add(mapping.granter);
            assertEquals(
                mapping.mfn, mapping.granter.activeGrant(mapping.ref).mfn, "frame of " + grant.ref);
            int parts = Integer.bitCount(state & (Mapping.HOST | Mapping.DEVICE));
            uses.computeIfAbsent(grant, g -> new int[2])[mapping.writable(state) ? 1 : 0] += parts;
          });
    }
    for (GrantTable table : tables) {
      for (int ref = 0; ref < refs; ref++) {
        int[] expected = uses.getOrDefault(new Grant(table, ref), new int[2]);
        ActiveGrant active = table.activeGrant(ref);
        String where = "domain=%d ref=%d".formatted(table.domid(), ref);
        assertEquals(expected[0], active.readers, "readers " + where);
        assertEquals(expected[1], active.writers, "writers " + where);
      }
    }
  }

  private static final int REFS = 512;

  @FunctionalInterface
  private interface Taker {
    void take(Mapping mapping, int state);
  }

  private static void forEach(GrantTable table, Taker taker) {
    MapTrack track = table.mappings().track();
    for (int handle = 0; handle < track.limit(); handle++) {
      Mapping mapping = track.find(handle);
      int state = mapping.claim();
      if (state != 0) {
        mapping.publish(state);
        taker.take(mapping, state);
      }
    }
  }
}
