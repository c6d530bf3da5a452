package dev.domus.kernel.grant;

import java.util.Set;
import java.util.TreeSet;

/**
 * The grants that a domain has mapped, for a scan of the frame table. It sees the host parts by
 * itself, since their references belong to page-table entries, but not who allowed these; those of
 * device parts it does not see.
 */
public final class MappedGrants {
  private MappedGrants() {}

  /** Takes one of them. */
  @FunctionalInterface
  public interface Taker {
    /** One mapping, with a host part, a device part, or both. */
    void take(long mfn, boolean host, boolean device, boolean writable);
  }

  /** The handles of a domain's live mappings. No vCPU of it may run. */
  public static Set<Integer> handles(GrantTable table) {
    Set<Integer> handles = new TreeSet<>();
    MapTrack track = table.mappings().track();
    for (int handle = 0; handle < track.limit(); handle++) {
      Mapping mapping = track.find(handle);
      int state = mapping.claim();
      if (state != 0) {
        handles.add(handle);
        mapping.publish(state);
      }
    }
    return handles;
  }

  /** Names every frame that a domain has mapped by a grant. No vCPU of it may run. */
  public static void forEach(GrantTable table, Taker taker) {
    MapTrack track = table.mappings().track();
    for (int handle = 0; handle < track.limit(); handle++) {
      Mapping mapping = track.find(handle);
      int state = mapping.claim();
      if (state != 0) {
        taker.take(
            mapping.mfn,
            (state & Mapping.HOST) != 0,
            (state & Mapping.DEVICE) != 0,
            mapping.writable(state));
        mapping.publish(state);
      }
    }
  }
}
