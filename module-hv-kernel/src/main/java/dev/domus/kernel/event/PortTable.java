package dev.domus.kernel.event;

import java.util.BitSet;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The ports of a domain by number. Reading is lock-free; ports are taken and released under the
 * lock of the domain's {@link EventChannels}. The table grows by doubling and never shrinks: at
 * most as many objects as the ABI has ports.
 */
final class PortTable {
  private static final int FIRST_SIZE = 64;

  /** An element is null until the port is first taken. Replaced by a longer copy. */
  private volatile AtomicReferenceArray<Port> ports = new AtomicReferenceArray<>(FIRST_SIZE);

  private final BitSet taken = new BitSet();

  /** Makes a table in which only port 0 is taken, which is reserved. */
  PortTable() {
    take(0).binding = PortBinding.Reserved.INSTANCE;
  }

  /** A port that has been taken once, or null. */
  Port get(int number) {
    AtomicReferenceArray<Port> all = ports;
    return Integer.compareUnsigned(number, all.length()) < 0 ? all.get(number) : null;
  }

  /** Says whether the table reaches to a number. */
  boolean covers(int number) {
    return Integer.compareUnsigned(number, ports.length()) < 0;
  }

  /** Number of ports that the table reaches to. */
  int length() {
    return ports.length();
  }

  /** The lowest number that is not taken. Under the lock. */
  int lowestFree() {
    return taken.nextClearBit(0);
  }

  /** Says whether only port 0 is taken. Under the lock. */
  boolean isEmpty() {
    return taken.cardinality() == 1;
  }

  /** Takes a port that is free. Under the lock. */
  Port take(int number) {
    taken.set(number);
    Port port = get(number);
    if (port == null) {
      port = new Port(number);
      if (number >= ports.length()) {
        grow();
      }
      ports.set(number, port);
    }
    return port;
  }

  /** Makes a port free. Under the lock. */
  void release(Port port) {
    taken.clear(port.number);
  }

  private void grow() {
    AtomicReferenceArray<Port> shorter = ports;
    AtomicReferenceArray<Port> longer = new AtomicReferenceArray<>(shorter.length() * 2);
    for (int i = 0; i < shorter.length(); i++) {
      longer.setPlain(i, shorter.getPlain(i));
    }
    ports = longer;
  }
}
