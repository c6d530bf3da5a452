package dev.domus.kernel.pci;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * The interrupt messages of a function, one a vector: an MSI capability's or an MSI-X table's. They
 * are written by the hypervisor alone; a device says no more than the number of a vector.
 *
 * <p>A vector is masked until somebody unmasks it, and has no message until one is set. What is
 * raised while it is masked stays pending and is sent when it is unmasked (PCI Local Bus
 * Specification 3.0, 6.8.3.4). Mask and pending bit change together, by CAS, so a message that is
 * raised while another thread unmasks is sent once and not lost. Thread-safe; raising takes no lock
 * and allocates nothing.
 */
final class Messages {
  private static final int MASKED = 1;
  private static final int PENDING = 2;
  private static final long DATA_BITS = 0xffff_ffffL;

  /** Receives what is sent. */
  interface Receiver {
    /**
     * A write to the interrupt address range.
     *
     * @param address below 4 GiB
     */
    void receive(long address, int data);
  }

  private final Receiver receiver;

  /** Address in the upper half, data in the lower one; 0 is no message. */
  private final AtomicLongArray messages;

  private final AtomicIntegerArray states;

  /** Vectors 0 … {@code vectors} − 1, all of them masked and without a message. */
  Messages(int vectors, Receiver receiver) {
    this.receiver = receiver;
    messages = new AtomicLongArray(vectors);
    states = new AtomicIntegerArray(vectors);
    reset();
  }

  int count() {
    return messages.length();
  }

  /** Masks all, forgets messages and what is pending. */
  void reset() {
    for (int vector = 0; vector < messages.length(); vector++) {
      states.set(vector, MASKED);
      messages.set(vector, 0);
    }
  }

  /** Sets a vector's message; masked or not stays as it is. */
  void set(int vector, long address, int data) {
    messages.set(vector, address << Integer.SIZE | data & DATA_BITS);
  }

  /** Masks a vector and forgets its message and what is pending. */
  void unset(int vector) {
    states.set(vector, MASKED);
    messages.set(vector, 0);
  }

  /** Masks or unmasks a vector; what was pending is sent. */
  void mask(int vector, boolean masked) {
    if (masked) {
      states.getAndAccumulate(vector, MASKED, (state, bit) -> state | bit);
    } else if (states.getAndSet(vector, 0) >= PENDING) {
      send(vector);
    }
  }

  /** Says whether any vector has a message. */
  boolean anySet() {
    for (int vector = 0; vector < messages.length(); vector++) {
      if (messages.get(vector) != 0) {
        return true;
      }
    }
    return false;
  }

  boolean isMasked(int vector) {
    return (states.get(vector) & MASKED) != 0;
  }

  boolean isPending(int vector) {
    return (states.get(vector) & PENDING) != 0;
  }

  /** The function raises a vector. */
  void raise(int vector) {
    while (true) {
      int state = states.get(vector);
      if ((state & MASKED) == 0) {
        send(vector);
        return;
      }
      if (state == (MASKED | PENDING) || states.compareAndSet(vector, state, MASKED | PENDING)) {
        return;
      }
    }
  }

  private void send(int vector) {
    long message = messages.get(vector);
    if (message != 0) {
      receiver.receive(message >>> Integer.SIZE, (int) message);
    }
  }
}
