package dev.domus.kernel.pci;

import static dev.domus.kernel.pci.ConfigLayout.*;

import dev.domus.kernel.device.Bar;
import dev.domus.kernel.device.FunctionSpec;
import dev.domus.kernel.device.InterruptKind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A function's configuration space: what software reads there, and what its writes do.
 *
 * <p>Base addresses are the hypervisor's: a write of all ones to a register shows the region's size
 * until the next write (PCI Local Bus Specification 3.0, 6.2.5.1), and nothing moves it. The
 * capability for interrupts is shown, and written by the hypervisor alone: messages are set by
 * physdev_op. What may be written are memory enable, bus master, cache line size, interrupt line,
 * and the start of a function-level reset.
 *
 * <p>Thread-safe, by a lock: nothing here is on a fast path. Effects are called without it.
 */
final class ConfigSpace {
  /** What a write does beyond being read again. */
  interface Effects {
    /** Whether the regions answer, and whether the function may send requests of its own. */
    void enable(boolean memory, boolean busMaster);

    /** The function is to be reset. */
    void functionLevelReset();
  }

  private static final int WRITABLE_COMMAND =
      COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_INTX_DISABLE;

  private final FunctionSpec spec;
  private final Effects effects;
  private final ByteBuffer bytes = ByteBuffer.allocate(SIZE).order(ByteOrder.LITTLE_ENDIAN);

  /** What each base-address register reads as, and as after a probe. */
  private final int[] addresses = new int[BAR_COUNT];

  private final int[] sizes = new int[BAR_COUNT];
  private final boolean[] probed = new boolean[BAR_COUNT];

  ConfigSpace(FunctionSpec spec, Effects effects) {
    this.spec = spec;
    this.effects = effects;
    describe();
  }

  private void describe() {
    bytes.putShort(VENDOR_ID, (short) spec.vendorId());
    bytes.putShort(DEVICE_ID, (short) spec.deviceId());
    bytes.putShort(STATUS, (short) STATUS_CAPABILITIES);
    bytes.putInt(REVISION, spec.classCode() << 8 | spec.revision());
    bytes.putShort(SUBSYSTEM_VENDOR_ID, (short) spec.subsystemVendorId());
    bytes.putShort(SUBSYSTEM_ID, (short) spec.subsystemId());
    bytes.put(CAPABILITIES, (byte) EXPRESS);
    bytes.put(EXPRESS, (byte) EXPRESS_ID);
    bytes.put(EXPRESS + 1, (byte) (spec.interrupts() == InterruptKind.NONE ? 0 : INTERRUPTS));
    bytes.putShort(EXPRESS_CAPABILITIES, (short) EXPRESS_INTEGRATED_V2);
    bytes.putInt(DEVICE_CAPABILITIES, DEVICE_CAPABILITIES_ROLE_BASED | DEVICE_CAPABILITIES_FLR);
    switch (spec.interrupts()) {
      case MSI -> {
        bytes.put(INTERRUPTS, (byte) MSI_ID);
        int capable = Integer.numberOfTrailingZeros(spec.vectors());
        bytes.putShort(
            MSI_CONTROL, (short) (MSI_CONTROL_64 | capable << MSI_CONTROL_CAPABLE_SHIFT));
      }
      case MSI_X -> {
        bytes.put(INTERRUPTS, (byte) MSIX_ID);
        bytes.putShort(MSIX_CONTROL, (short) (spec.vectors() - 1));
      }
      case NONE -> {}
    }
  }

  /** Says where the hypervisor has put a region. */
  synchronized void place(Bar bar, long address) {
    int number = bar.number();
    addresses[number] = (int) address | BAR_MEMORY_64;
    addresses[number + 1] = (int) (address >>> Integer.SIZE);
    sizes[number] = (int) -bar.bytes() | BAR_MEMORY_64;
    sizes[number + 1] = (int) (-bar.bytes() >>> Integer.SIZE);
  }

  /**
   * Says in which region the MSI-X table is, at its start, and where in it the pending bits begin.
   */
  synchronized void placeMsix(int bar, int pendingOffset) {
    bytes.putInt(MSIX_TABLE, bar);
    bytes.putInt(MSIX_PENDING, pendingOffset | bar);
  }

  /** Shows interrupts as enabled or not. */
  synchronized void showInterrupts(boolean enabled) {
    switch (spec.interrupts()) {
      case MSI -> show(MSI_CONTROL, MSI_CONTROL_ENABLE, enabled);
      case MSI_X -> show(MSIX_CONTROL, MSIX_CONTROL_ENABLE, enabled);
      case NONE -> {}
    }
  }

  private void show(int offset, int bit, boolean on) {
    int value = bytes.getShort(offset);
    bytes.putShort(offset, (short) (on ? value | bit : value & ~bit));
  }

  /** Back to what it was after power-on; the places of the regions stay. */
  synchronized void reset() {
    bytes.putShort(COMMAND, (short) 0);
    bytes.put(CACHE_LINE_SIZE, (byte) 0);
    bytes.put(INTERRUPT_LINE, (byte) 0);
    Arrays.fill(probed, false);
    showInterrupts(false);
  }

  /**
   * Reads.
   *
   * @param offset 0 to 4095, aligned to the size
   * @param size 1, 2 or 4 bytes
   * @return zero-extended
   */
  synchronized int read(int offset, int size) {
    checkRange(offset, size);
    int aligned = offset & -Integer.BYTES;
    int word = isBar(aligned) ? bar((aligned - BARS) / Integer.BYTES) : bytes.getInt(aligned);
    return word >>> 8 * (offset - aligned) & -1 >>> Integer.SIZE - 8 * size;
  }

  private int bar(int number) {
    return probed[number] ? sizes[number] : addresses[number];
  }

  /** Writes; arguments as for {@link #read}. What cannot be written stays as it is. */
  void write(int offset, int size, int value) {
    checkRange(offset, size);
    boolean reset;
    int command;
    boolean enables;
    synchronized (this) {
      int aligned = offset & -Integer.BYTES;
      int shift = 8 * (offset - aligned);
      int mask = (-1 >>> Integer.SIZE - 8 * size) << shift;
      int word = bytes.getInt(aligned) & ~mask | value << shift & mask;
      if (isBar(aligned)) {
        probed[(aligned - BARS) / Integer.BYTES] = size == Integer.BYTES && value == -1;
      }
      enables = aligned == COMMAND && (mask & 0xffff) != 0;
      if (enables) {
        bytes.putShort(COMMAND, (short) (word & WRITABLE_COMMAND));
      }
      if (offset == CACHE_LINE_SIZE || offset == INTERRUPT_LINE) {
        bytes.put(offset, (byte) value);
      }
      command = bytes.getShort(COMMAND);
      reset = aligned == DEVICE_CONTROL && (word & mask & DEVICE_CONTROL_FLR) != 0;
    }
    if (enables) {
      effects.enable((command & COMMAND_MEMORY) != 0, (command & COMMAND_BUS_MASTER) != 0);
    }
    if (reset) {
      effects.functionLevelReset();
    }
  }

  private static boolean isBar(int aligned) {
    return aligned >= BARS && aligned < BARS + BAR_COUNT * Integer.BYTES;
  }

  private static void checkRange(int offset, int size) {
    if (size != 1 && size != 2 && size != 4 || offset < 0 || offset >= SIZE || offset % size != 0) {
      throw new IllegalArgumentException(
          "no such configuration register: offset=0x%x size=%d".formatted(offset, size));
    }
  }
}
