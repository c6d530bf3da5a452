package dev.domus.kernel.pci;

import dev.domus.iommu.RequesterId;

/**
 * What the messages of functions mean: each goes to whom the hypervisor has said, and only if it
 * was sent by the function for which it was said. Thread-safe.
 */
public interface InterruptRemapping {
  /** Where messages go. */
  interface Sink {
    /** A message has come. Any thread; waits for nobody, takes no lock, allocates nothing. */
    void raise();
  }

  /** A message that means something until it is closed. */
  interface Message extends AutoCloseable {
    /** Where the function writes to, below 4 GiB. */
    long address();

    /** What it writes. */
    int data();

    /** The message means nothing any more. One that is under way may still arrive. */
    @Override
    void close();
  }

  /**
   * Makes a message.
   *
   * @param requester who may send it
   * @throws IllegalStateException if there are as many as there can be
   */
  Message open(RequesterId requester, Sink sink);
}
