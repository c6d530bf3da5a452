package dev.domus.dma;

import static dev.domus.dma.RegisterLayout.INT_COMPLETION;
import static dev.domus.dma.RegisterLayout.INT_ENABLE;
import static dev.domus.dma.RegisterLayout.INT_ERROR;
import static dev.domus.dma.RegisterLayout.INT_STATUS;
import static dev.domus.dma.RegisterLayout.THRESHOLD;
import static dev.domus.dma.RegisterLayout.THRESHOLD_SHIFT;

import dev.domus.kernel.device.DeviceBus;
import dev.domus.kernel.device.Registers;

/**
 * When to interrupt, and INT_STATUS.
 *
 * <p>A message is sent when INT_STATUS goes from zero to something, so a guest gets at most one for
 * each time that it clears it, however many completions it asks for. The lock keeps the register
 * and what is known of it one, since software clears on one thread what the worker sets on another;
 * it is taken once an interrupt, not once a descriptor.
 */
final class Interrupts {
  private static final int VECTOR = 0;

  private final DeviceBus bus;
  private final Registers registers;
  private int status;
  private volatile int control;

  /** Completions that asked for an interrupt and got none yet. The worker's. */
  private int waiting;

  Interrupts(DeviceBus bus, Registers registers) {
    this.bus = bus;
    this.registers = registers;
  }

  // ---- of the device's thread

  synchronized void reset() {
    status = 0;
    control = 0;
    waiting = 0;
  }

  /** Software wrote INT_CONTROL; what is in INT_STATUS already is told now. */
  synchronized void control(int word) {
    boolean turnedOn = (word & ~control & INT_ENABLE) != 0;
    control = word;
    if (turnedOn && status != 0) {
      bus.interrupt(VECTOR);
    }
  }

  /** Software wrote INT_STATUS. */
  synchronized void clear(int bits) {
    status &= ~bits;
    registers.set(INT_STATUS, Integer.BYTES, status);
  }

  // ---- of the worker

  /** A descriptor that asked for an interrupt is done. */
  void completed() {
    waiting++;
    if (waiting >= (control >>> THRESHOLD_SHIFT & THRESHOLD)) {
      idle();
    }
  }

  /** No descriptor is ready: whoever waits for an interrupt gets it now. */
  void idle() {
    if (waiting != 0) {
      waiting = 0;
      raise(INT_COMPLETION);
    }
  }

  /** There was an error. */
  void error() {
    waiting = 0;
    raise(INT_ERROR);
  }

  private synchronized void raise(int bit) {
    int before = status;
    status |= bit;
    registers.set(INT_STATUS, Integer.BYTES, status);
    if (before == 0 && (control & INT_ENABLE) != 0) {
      bus.interrupt(VECTOR);
    }
  }
}
