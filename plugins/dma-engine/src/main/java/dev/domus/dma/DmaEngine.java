package dev.domus.dma;

import static dev.domus.dma.RegisterLayout.ABORT;
import static dev.domus.dma.RegisterLayout.CONTROL;
import static dev.domus.dma.RegisterLayout.ENABLE;
import static dev.domus.dma.RegisterLayout.INT_CONTROL;
import static dev.domus.dma.RegisterLayout.INT_STATUS;
import static dev.domus.dma.RegisterLayout.PAUSE;
import static dev.domus.dma.RegisterLayout.RING_BASE;
import static dev.domus.dma.RegisterLayout.RING_ORDER;
import static dev.domus.dma.RegisterLayout.TAIL;

import dev.domus.kernel.device.Bar;
import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceBus;
import dev.domus.kernel.device.FunctionSpec;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.device.Registers;
import java.util.List;

/**
 * The engine as software sees it: takes stores, and has a {@link Worker} do what they ask for.
 *
 * <p><b>Who writes what.</b> This thread keeps the registers that software writes, the worker those
 * that only it can know (STATUS, HEAD, ERROR…, COMPLETED); {@link Interrupts} keeps INT_STATUS for
 * both. What software wants goes to the worker in the volatile fields of a {@link Ring}. A new
 * ENABLE is a new ring: the worker leaves the old one when it sees that it is no longer the current
 * one, so a tail that was meant for one is never taken for the other's.
 */
final class DmaEngine implements Device {
  private static final int VENDOR = 0x1d0d, DEVICE = 0x0d3a;

  /** Base class 08 base system peripheral, subclass 01 DMA controller, interface 00. */
  private static final int CLASS = 0x080100;

  private static final FunctionSpec SPEC =
      new FunctionSpec(
          VENDOR,
          DEVICE,
          1,
          CLASS,
          VENDOR,
          DEVICE,
          List.of(new Bar(0, RegisterLayout.BYTES)),
          InterruptKind.MSI,
          1);

  private static final int BAR = 0;

  private Registers registers;
  private Interrupts interrupts;
  private Worker worker;

  /** The life of the engine that is on, or null. */
  private Ring ring;

  @Override
  public FunctionSpec function() {
    return SPEC;
  }

  @Override
  public void start(DeviceBus bus) {
    registers = bus.registers(BAR);
    interrupts = new Interrupts(bus, registers);
    worker = new Worker(bus, registers, interrupts);
    bus.work("engine", worker);
  }

  @Override
  public void reset() {
    ring = null;
    worker.leave();
    registers.clear();
    interrupts.reset();
    registers.set(RegisterLayout.ID, Integer.BYTES, RegisterLayout.ID_VALUE);
    registers.set(RegisterLayout.LIMITS, Integer.BYTES, RegisterLayout.limits());
  }

  @Override
  public void store(int bar, long offset, int size, long value) {
    if (RegisterLayout.storeSize(offset) != size) {
      return;
    }
    int word = (int) value;
    switch ((int) offset) {
      case CONTROL -> control(word);
      case TAIL -> doorbell(word);
      case INT_CONTROL -> {
        int kept =
            word
                & (RegisterLayout.INT_ENABLE
                    | RegisterLayout.THRESHOLD << RegisterLayout.THRESHOLD_SHIFT);
        registers.set(INT_CONTROL, size, kept);
        interrupts.control(kept);
      }
      case INT_STATUS -> interrupts.clear(word);
      case RING_BASE, RING_ORDER -> registers.set(offset, size, value);
      default -> {} // storeSize knows no other
    }
  }

  private void doorbell(int tail) {
    if (ring != null) {
      registers.set(TAIL, Integer.BYTES, tail);
      ring.tail = tail;
      worker.wake();
    }
  }

  private void control(int word) {
    if ((word & ENABLE) == 0) {
      ring = null;
    } else if (ring == null) {
      registers.set(TAIL, Integer.BYTES, 0);
      ring =
          new Ring(
              registers.get(RING_BASE, Long.BYTES), (int) registers.get(RING_ORDER, Integer.BYTES));
    }
    boolean pause = ring != null && (word & (PAUSE | ABORT)) != 0;
    if (ring != null) {
      ring.paused = pause;
      if ((word & ABORT) != 0) {
        ring.abort = true;
      }
    }
    registers.set(CONTROL, Integer.BYTES, (ring == null ? 0 : ENABLE) | (pause ? PAUSE : 0));
    worker.serve(ring);
  }

  @Override
  public void close() {
    ring = null;
    worker.leave();
  }
}
