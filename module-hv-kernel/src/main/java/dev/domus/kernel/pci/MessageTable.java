package dev.domus.kernel.pci;

import dev.domus.iommu.InterruptRemapping;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.MessageAddress;
import dev.domus.iommu.RequesterId;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * What the messages of functions mean: each goes to whom the hypervisor has said, and only if it
 * was sent by the function for which it was said. The entries of the IOMMU's interrupt remapping
 * table, each for one requester; what such an entry gives as destination is its own index, which
 * stands for a sink here.
 *
 * <p>A device may write to the interrupt address range by DMA as well, with any data: that is
 * remapped in the same way, so all it can raise are messages that are its own. Thread-safe.
 */
public final class MessageTable {
  /** Where messages go. */
  public interface Sink {
    /** A message has come. Any thread; waits for nobody, takes no lock, allocates nothing. */
    void raise();
  }

  private final InterruptRemapping remapping;
  private final AtomicReferenceArray<Sink> sinks;
  private final BitSet taken = new BitSet();

  /** Takes all of a unit's entries. */
  public MessageTable(IommuUnit unit) {
    remapping = unit.interrupts();
    sinks = new AtomicReferenceArray<>(remapping.entries());
    remapping.deliverTo((index, vector) -> deliver(index));
  }

  private void deliver(int index) {
    Sink sink = sinks.get(index);
    if (sink != null) {
      sink.raise();
    }
  }

  /**
   * Makes a message.
   *
   * @param requester who may send it
   * @throws IllegalStateException if there are as many as there can be
   */
  public synchronized Message open(RequesterId requester, Sink sink) {
    int index = taken.nextClearBit(0);
    if (index >= sinks.length()) {
      throw new IllegalStateException(
          "all interrupt messages are in use: messages=" + sinks.length());
    }
    taken.set(index);
    sinks.set(index, sink);
    remapping.set(index, index, 0, InterruptRemapping.REQUESTER, 0, requester.value());
    return new Message(index);
  }

  /** A message that means something until it is closed. */
  public final class Message implements AutoCloseable {
    private final int index;
    private boolean closed;

    private Message(int index) {
      this.index = index;
    }

    /** Where the function writes to, below 4 GiB. */
    public long address() {
      return MessageAddress.of(index, false);
    }

    /** What it writes. */
    public int data() {
      return 0;
    }

    /** The message means nothing any more, and none is under way when this returns. */
    @Override
    public void close() {
      synchronized (MessageTable.this) {
        if (!closed) {
          closed = true;
          remapping.clear(index);
          sinks.set(index, null);
          taken.clear(index);
        }
      }
    }
  }
}
