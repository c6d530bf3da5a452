package dev.domus.dma;

import dev.domus.device.contract.SoftwareBus;

/**
 * What software does with the engine: its side of {@link RegisterLayout} and {@link
 * DescriptorLayout}.
 */
final class Driver implements AutoCloseable {
  static final long RING = 0x10_0000;
  static final int ORDER = 4;

  final SoftwareBus bus = new SoftwareBus(new DmaEngine());
  private int tail;

  /** An engine with its ring in memory, and on. */
  static Driver enabled() {
    Driver driver = new Driver();
    driver.bus.memory().map(RING, 1);
    driver.enable(RING, ORDER);
    driver.awaitStatus(RegisterLayout.ENABLED);
    return driver;
  }

  void enable(long base, int order) {
    bus.store(0, RegisterLayout.RING_BASE, 8, base);
    bus.store(0, RegisterLayout.RING_ORDER, 4, order);
    bus.store(0, RegisterLayout.CONTROL, 4, RegisterLayout.ENABLE);
    tail = 0;
  }

  void disable() {
    bus.store(0, RegisterLayout.CONTROL, 4, 0);
    awaitStatus(RegisterLayout.DISABLED);
  }

  int register(int offset) {
    return (int) bus.load(0, offset, 4);
  }

  void awaitStatus(int status) {
    bus.await("STATUS " + status, () -> register(RegisterLayout.STATUS) == status);
  }

  /** A descriptor anywhere. */
  void describe(long at, int operation, int flags, long length, long source, long to, long next) {
    bus.memory().putInt(at, operation | flags << 8);
    bus.memory().putInt(at + 4, (int) length);
    bus.memory().putLong(at + 8, source);
    bus.memory().putLong(at + 16, to);
    bus.memory().putLong(at + 24, next);
    for (int word = 32; word < 64; word += 8) {
      bus.memory().putLong(at + word, 0);
    }
  }

  /** Puts a descriptor into the ring, without ringing; returns where it is. */
  long put(int operation, int flags, long length, long source, long to, long next) {
    long at = RING + 64L * tail;
    describe(at, operation, flags, length, source, to, next);
    tail = tail + 1 & (1 << ORDER) - 1;
    return at;
  }

  void ring() {
    bus.store(0, RegisterLayout.TAIL, 4, tail);
  }

  /** Puts a descriptor into the ring, rings, waits for the engine; returns where it is. */
  long run(int operation, long length, long source, long to) {
    long at = put(operation, 0, length, source, to, 0);
    ring();
    awaitDone();
    return at;
  }

  /** Waits until the engine has done all that was rung for, or has stopped for an error. */
  void awaitDone() {
    bus.await(
        "HEAD " + tail,
        () ->
            register(RegisterLayout.HEAD) == tail
                || register(RegisterLayout.STATUS) == RegisterLayout.ERRED);
  }

  int status(long descriptor) {
    return bus.memory().getInt(descriptor + DescriptorLayout.STATUS);
  }

  long result(long descriptor) {
    return bus.memory().getLong(descriptor + DescriptorLayout.RESULT);
  }

  @Override
  public void close() {
    bus.close();
  }
}
