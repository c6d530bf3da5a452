package dev.domus.kernel.grant;

/**
 * The references that device parts of grant mappings hold: those of host parts belong to page-table
 * entries, which a scan sees by itself.
 */
public final class DevicePins {
  private DevicePins() {}

  /** Takes one of them. */
  @FunctionalInterface
  public interface Taker {
    /** One device part. */
    void take(long mfn, boolean writable);
  }

  /** Names every frame that a domain has mapped for devices. No vCPU of it may run. */
  public static void forEach(GrantTable table, Taker taker) {
    MapTrack track = table.mappings().track();
    for (int handle = 0; handle < track.limit(); handle++) {
      Mapping mapping = track.find(handle);
      int state = mapping.claim();
      if ((state & Mapping.DEVICE) != 0) {
        taker.take(mapping.mfn, mapping.writable(state));
      }
      if (state != 0) {
        mapping.publish(state);
      }
    }
  }
}
