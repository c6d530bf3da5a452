package dev.domus.net.bridge;

import java.util.BitSet;
import java.util.Optional;

/**
 * Which VLANs a port is in: one whose frames it has without a tag, if any, and others with (IEEE
 * 802.1Q). Written as in libxl's names of Open vSwitch bridges: {@code 10}, {@code 10:20:30},
 * {@code :20:30}.
 *
 * @param untagged 1 to 4094, or {@link #NONE}
 * @param tagged numbers of VLANs
 */
public record Vlans(int untagged, BitSet tagged) {
  /** No VLAN: untagged frames are dropped. */
  public static final int NONE = 0;

  /** The VLAN of ports of which nothing is said. */
  public static final int USUAL = 1;

  private static final int LAST = 4094;

  /** A port of which nothing is said: untagged frames, in VLAN {@value #USUAL}. */
  public static Vlans usual() {
    return new Vlans(USUAL, new BitSet());
  }

  /** Reads the text; nothing if it is not one. */
  public static Optional<Vlans> parse(String text) {
    String[] parts = text.split(":", -1);
    BitSet tagged = new BitSet();
    int untagged = NONE;
    for (int i = 0; i < parts.length; i++) {
      if (i == 0 && parts[0].isEmpty() && parts.length > 1) {
        continue;
      }
      if (!parts[i].matches("[0-9]{1,4}")) {
        return Optional.empty();
      }
      int id = Integer.parseInt(parts[i]);
      if (id < 1 || id > LAST) {
        return Optional.empty();
      }
      if (i == 0) {
        untagged = id;
      } else {
        tagged.set(id);
      }
    }
    return Optional.of(new Vlans(untagged, tagged));
  }

  boolean has(int vlan) {
    return vlan == untagged || tagged.get(vlan);
  }
}
