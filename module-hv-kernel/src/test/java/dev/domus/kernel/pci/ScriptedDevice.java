package dev.domus.kernel.pci;

import dev.domus.kernel.device.Bar;
import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceBus;
import dev.domus.kernel.device.FunctionSpec;
import dev.domus.kernel.device.InterruptKind;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/**
 * A device that does as it is told by stores: register 0 copies itself to register 8, and the
 * others throw, hang, interrupt.
 */
public final class ScriptedDevice implements Device {
  public static final int COPY = 0, COPIED = 8, THROW = 16, HANG = 24, RAISE = 32, SPIN = 40;

  private final FunctionSpec spec;
  public final CountDownLatch hanging = new CountDownLatch(1);
  public final CountDownLatch let = new CountDownLatch(1);
  public volatile DeviceBus bus;
  public volatile int resets;
  public final CountDownLatch closed = new CountDownLatch(1);
  volatile Thread ranOn;

  public ScriptedDevice(InterruptKind interrupts, int vectors) {
    spec =
        new FunctionSpec(
            0x1d0d,
            0x0001,
            1,
            0x088000,
            0x1d0d,
            0x0042,
            List.of(new Bar(0, 8192)),
            interrupts,
            vectors);
  }

  @Override
  public FunctionSpec function() {
    return spec;
  }

  @Override
  public void start(DeviceBus itsBus) {
    bus = itsBus;
  }

  @Override
  public void store(int bar, long offset, int size, long value) {
    ranOn = Thread.currentThread();
    switch ((int) offset) {
      case COPY -> bus.registers(0).set(COPIED, 8, value);
      case THROW -> throw new IllegalStateException("told to throw");
      case HANG -> hang();
      case RAISE -> bus.interrupt((int) value);
      case SPIN -> spin();
      default -> {}
    }
  }

  private void spin() {
    while (let.getCount() > 0) {
      Thread.onSpinWait();
    }
  }

  private void hang() {
    hanging.countDown();
    boolean done = false;
    while (!done) {
      try {
        let.await();
        done = true;
      } catch (InterruptedException ignored) {
        // A device that hangs heeds no interrupt.
      }
    }
  }

  @Override
  public void reset() {
    resets++;
    bus.registers(0).clear();
  }

  @Override
  public void close() {
    closed.countDown();
  }
}
