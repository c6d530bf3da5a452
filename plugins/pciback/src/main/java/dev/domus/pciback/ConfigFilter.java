package dev.domus.pciback;

/**
 * What a guest may write of a function's configuration space (PCI Local Bus Specification 3.0,
 * 6.2). It reads all of it. What it writes elsewhere is lost without an error, as with registers
 * that are read-only, since drivers write what they have read.
 *
 * <ul>
 *   <li>Command: whether regions answer and whether the function may send requests; DMA is the
 *       IOMMU's to judge.
 *   <li>Cache line size, latency timer, interrupt line: without effect.
 *   <li>Base addresses and expansion ROM: the probe that shows the size; the hypervisor lets
 *       nothing be moved.
 * </ul>
 *
 * Not among them are capabilities (messages are the hypervisor's, power states and resets would
 * take the device out of the backend's hands) and BIST.
 */
final class ConfigFilter {
  static final int SPACE = 4096;

  private static final int COMMAND = 0x04, COMMAND_BYTES = 2;
  private static final int CACHE_LINE = 0x0c, LATENCY = 0x0d;
  private static final int BARS = 0x10, BARS_END = 0x28;
  private static final int ROM = 0x30, ROM_END = 0x34;
  private static final int INTERRUPT_LINE = 0x3c;

  private ConfigFilter() {}

  /** Says whether there is such a register. */
  static boolean exists(int offset, int size) {
    return (size == 1 || size == 2 || size == 4)
        && offset >= 0
        && offset <= SPACE - size
        && offset % size == 0;
  }

  /** How many bytes of a write, from its first one on, reach the function; 0 for none. */
  static int writable(int offset, int size) {
    if (offset >= BARS && offset < BARS_END || offset >= ROM && offset < ROM_END) {
      return size;
    }
    if (offset >= COMMAND && offset < COMMAND + COMMAND_BYTES) {
      return Math.min(size, COMMAND + COMMAND_BYTES - offset);
    }
    if (offset == CACHE_LINE) {
      return Math.min(size, 2);
    }
    return offset == LATENCY || offset == INTERRUPT_LINE ? 1 : 0;
  }
}
