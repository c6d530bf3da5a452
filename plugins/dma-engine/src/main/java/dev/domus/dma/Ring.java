package dev.domus.dma;

/**
 * One life of the engine, from ENABLE set to ENABLE cleared: the ring as software described it
 * then, and what it wants of it. Written by the device's thread, read by the worker; what the
 * worker knows of it (head, errors) is the worker's own.
 */
final class Ring {
  final long base;
  final int order;

  /**
   * Behind the last descriptor that is ready: an index of the ring, or what software wrote instead.
   */
  volatile int tail;

  volatile boolean paused;

  /** Wanted, and not done yet. Set by the device's thread, cleared by the worker. */
  volatile boolean abort;

  Ring(long base, int order) {
    this.base = base;
    this.order = order;
  }

  /** Whether base and order make a ring. */
  boolean makesSense() {
    return order >= 1
        && order <= RegisterLayout.MAX_ORDER
        && (base & DescriptorLayout.BYTES - 1) == 0
        && Long.compareUnsigned(base, base + bytes() - 1) < 0;
  }

  private long bytes() {
    return (long) DescriptorLayout.BYTES << order;
  }

  boolean has(int index) {
    return Integer.compareUnsigned(index, 1 << order) < 0;
  }

  long addressOf(int index) {
    return base + ((long) index << DescriptorLayout.SHIFT);
  }

  int after(int index) {
    return index + 1 & (1 << order) - 1;
  }
}
