package dev.domus.kernel.passthrough;

import dev.domus.kernel.event.EventChannels;
import dev.domus.kernel.event.PhysicalInterrupt;
import dev.domus.kernel.pci.MessageTable;
import dev.domus.kernel.pci.PciFunction;

/**
 * A physical interrupt of a domain: a number, the vector of a function that it stands for, and the
 * port that it is bound to.
 *
 * <p>The vector is let through while both are there and masked otherwise, so what the device raises
 * before a port is bound waits in the function's pending bit and is delivered then. {@link #raise}
 * runs on the device's threads; it reads {@link #port} and takes no lock. All else is under the
 * lock of {@link DomainDevices}.
 *
 * <p>A number whose vector has gone while a port was bound to it stays taken until the port is
 * closed: the port's status goes on to name it, and it must not come to name another device's.
 */
final class Pirq implements PhysicalInterrupt, MessageTable.Sink {
  private static final int NONE = 0;

  private final int number;
  private final PirqTable table;
  private final EventChannels events;
  private final PciFunction function;
  private final int vector;
  private MessageTable.Message message;
  private volatile int port;

  /** The vector of a function, which is owned by the domain whose table it is. */
  Pirq(int number, PirqTable table, EventChannels events, PciFunction function, int vector) {
    this.number = number;
    this.table = table;
    this.events = events;
    this.function = function;
    this.vector = vector;
  }

  @Override
  public int number() {
    return number;
  }

  boolean isFor(PciFunction other) {
    return message != null && function == other;
  }

  boolean isFor(PciFunction other, int otherVector) {
    return isFor(other) && vector == otherVector;
  }

  boolean isMapped() {
    return message != null;
  }

  /** Gives the vector its message; it stays masked until a port is bound. */
  void map(MessageTable messages) {
    message = messages.open(function.id(), this);
    function.setMessage(vector, message.address(), message.data());
  }

  /** Takes the vector its message. */
  void unmap() {
    if (message != null) {
      function.unsetMessage(vector);
      message.close();
      message = null;
      if (port == NONE) {
        table.free(number);
      }
    }
  }

  @Override
  public boolean bind(int newPort) {
    table.lock();
    try {
      if (message == null || port != NONE) {
        return false;
      }
      port = newPort;
      function.maskVector(vector, false);
      return true;
    } finally {
      table.unlock();
    }
  }

  @Override
  public void unbind() {
    table.lock();
    try {
      port = NONE;
      if (message == null) {
        table.free(number);
      } else {
        function.maskVector(vector, true);
      }
    } finally {
      table.unlock();
    }
  }

  @Override
  public void raise() {
    int bound = port;
    if (bound != NONE) {
      events.raisePirq(this, bound);
    }
  }
}
