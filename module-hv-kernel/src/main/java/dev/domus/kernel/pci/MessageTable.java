package dev.domus.kernel.pci;

import dev.domus.iommu.RequesterId;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The messages of all functions by handle, in the remappable format of Intel VT-d (5.1.2.2):
 *
 * <pre>
 *   address  31     20 19           5  4   3     2     1 0
 *           +---------+---------------+---+---+-------+---+      data: 0
 *           |  0xFEE  | handle (14:0) | 1 | 0 |handle | 0 |
 *           |         |               |   |   | (15)  |   |
 *           +---------+---------------+---+---+-------+---+
 * </pre>
 */
public final class MessageTable implements InterruptRemapping {
  private static final long FIRST_ADDRESS = 0xFEE0_0000L;
  private static final int REMAPPABLE = 1 << 4;
  private static final int HANDLE_SHIFT = 5;
  private static final int SIZE = 4096;

  private final AtomicReferenceArray<Entry> entries = new AtomicReferenceArray<>(SIZE);
  private final BitSet taken = new BitSet();

  /** Makes an empty table. */
  public MessageTable() {}

  private record Entry(int requester, Sink sink) {}

  @Override
  public synchronized Message open(RequesterId requester, Sink sink) {
    int handle = taken.nextClearBit(0);
    if (handle >= SIZE) {
      throw new IllegalStateException("all interrupt messages are in use: messages=" + SIZE);
    }
    taken.set(handle);
    entries.set(handle, new Entry(requester.value(), sink));
    return new OpenMessage(handle);
  }

  private synchronized void close(int handle) {
    entries.set(handle, null);
    taken.clear(handle);
  }

  /** A write by a function to the interrupt address range. */
  public void deliver(RequesterId requester, long address, int data) {
    int handle = (int) (address - FIRST_ADDRESS) >>> HANDLE_SHIFT;
    boolean remappable = address >= FIRST_ADDRESS && (address & REMAPPABLE) != 0;
    Entry entry = remappable && handle < SIZE ? entries.get(handle) : null;
    if (entry != null && entry.requester == requester.value()) {
      entry.sink.raise();
    }
  }

  private final class OpenMessage implements Message {
    private final int handle;
    private boolean closed;

    OpenMessage(int handle) {
      this.handle = handle;
    }

    @Override
    public long address() {
      return FIRST_ADDRESS | (long) handle << HANDLE_SHIFT | REMAPPABLE;
    }

    @Override
    public int data() {
      return 0;
    }

    @Override
    public void close() {
      synchronized (MessageTable.this) {
        if (!closed) {
          closed = true;
          MessageTable.this.close(handle);
        }
      }
    }
  }
}
