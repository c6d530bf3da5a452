package dev.domus.kernel.pci;

import static dev.domus.kernel.pci.ConfigLayout.*;

import dev.domus.kernel.device.Bar;
import dev.domus.kernel.service.IoHandler;

/**
 * The region of a function's MSI-X table and pending bits, as software sees it: for reading only,
 * with each vector masked or not and pending or not, and without messages, which are the
 * hypervisor's affair.
 *
 * <pre>
 *        0          8        12         16
 *       +----------+--------+----------+
 *   0   | address  |  data  | control  |   entry 0: bit 0 of control is the mask
 *  16   |   ...                        |
 *       +------------------------------+
 *  half | pending bits, 64 a word      |
 *       +------------------------------+
 * </pre>
 */
final class MsixRegion implements IoHandler {
  private final Messages messages;
  private final long bytes;

  MsixRegion(Messages messages) {
    this.messages = messages;
    long table = (long) messages.count() * MSIX_ENTRY_SIZE;
    bytes = Math.max(Bar.MIN_BYTES, 2 * Long.highestOneBit(2 * table - 1));
  }

  long bytes() {
    return bytes;
  }

  /** Where the pending bits are: half way. */
  int pendingOffset() {
    return (int) (bytes / 2);
  }

  @Override
  public long load(long offset, int size) {
    long word = offset < pendingOffset() ? entry(offset & -8) : pending(offset & -8);
    return word >>> 8 * (offset & 7);
  }

  private long entry(long offset) {
    int vector = (int) (offset / MSIX_ENTRY_SIZE);
    boolean control = (offset & 8) != 0;
    return control && vector < messages.count() && messages.isMasked(vector)
        ? (long) MSIX_ENTRY_MASKED << Integer.SIZE
        : 0;
  }

  private long pending(long offset) {
    int first = (int) (offset - pendingOffset()) * Byte.SIZE;
    long bits = 0;
    for (int i = 0; i < Long.SIZE && first + i < messages.count(); i++) {
      bits |= messages.isPending(first + i) ? 1L << i : 0;
    }
    return bits;
  }

  @Override
  public void store(long offset, int size, long value) {}
}
