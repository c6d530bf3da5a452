package dev.domus.net.bridge;

/**
 * Where stations are: address and VLAN to port. Open addressing in arrays, so that neither looking
 * nor learning allocates; entries that age go when they are met, or when room is wanted. Not
 * thread-safe.
 */
final class MacTable {
  /** No port. */
  static final int NONE = -1;

  private static final int SLOTS = 8192;

  /** Most entries: half of the slots, so that probing stays short. */
  static final int MOST = SLOTS / 2;

  /** As IEEE 802.1D has it. */
  static final long AGE_NANOS = 300_000_000_000L;

  private final long[] keys = new long[SLOTS]; // 0 is empty: no station has the address 0
  private final int[] ports = new int[SLOTS];
  private final long[] seen = new long[SLOTS];
  private int size;

  private static long key(long mac, int vlan) {
    return mac | (long) vlan << 48;
  }

  private static int home(long key) {
    return (int) (key * 0x9E3779B97F4A7C15L >>> 51); // 13 bits
  }

  private int find(long key) {
    int at = home(key);
    while (keys[at] != 0 && keys[at] != key) {
      at = at + 1 & SLOTS - 1;
    }
    return at;
  }

  /** The port of a station, or {@link #NONE}. */
  int port(long mac, int vlan, long nowNanos) {
    int at = find(key(mac, vlan));
    if (keys[at] == 0) {
      return NONE;
    }
    if (nowNanos - seen[at] > AGE_NANOS) {
      remove(at);
      return NONE;
    }
    return ports[at];
  }

  /**
   * Learns that a station is at a port, or has been heard there again.
   *
   * @return the port that it was at before, the same if it was there, {@link #NONE} if it was new
   */
  int learn(long mac, int vlan, int port, long nowNanos) {
    long key = key(mac, vlan);
    int at = find(key);
    int before = keys[at] == 0 ? NONE : ports[at];
    if (before == NONE) {
      if (size == MOST) {
        return NONE; // what is not learned is flooded, and limited
      }
      keys[at] = key;
      size++;
    }
    ports[at] = port;
    seen[at] = nowNanos;
    return before;
  }

  boolean isFull() {
    return size == MOST;
  }

  boolean contains(long mac, int vlan) {
    return keys[find(key(mac, vlan))] != 0;
  }

  /** Forgets what is old, and returns how many entries each port has left, in an array of its. */
  void age(long nowNanos, int[] counts) {
    for (int at = 0; at < SLOTS; at++) {
      while (keys[at] != 0 && nowNanos - seen[at] > AGE_NANOS) {
        remove(at);
      }
    }
    for (int at = 0; at < SLOTS; at++) {
      if (keys[at] != 0 && ports[at] < counts.length) {
        counts[ports[at]]++;
      }
    }
  }

  /** Forgets all stations of a port. */
  void forget(int port) {
    for (int at = 0; at < SLOTS; at++) {
      while (keys[at] != 0 && ports[at] == port) {
        remove(at);
      }
    }
  }

  /** Takes an entry out and moves those up that had to go around it. */
  private void remove(int slot) {
    int hole = slot;
    keys[hole] = 0;
    size--;
    for (int at = hole + 1 & SLOTS - 1; keys[at] != 0; at = at + 1 & SLOTS - 1) {
      int distance = at - home(keys[at]) & SLOTS - 1;
      if (distance >= (at - hole & SLOTS - 1)) {
        keys[hole] = keys[at];
        ports[hole] = ports[at];
        seen[hole] = seen[at];
        keys[at] = 0;
        hole = at;
      }
    }
  }
}
