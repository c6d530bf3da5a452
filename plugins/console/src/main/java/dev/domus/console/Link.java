package dev.domus.console;

import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;

/**
 * A console's connection to its guest.
 *
 * @param ring the ring, in the mapped page
 * @param mapping the page
 * @param port notifies the guest
 */
record Link(ConsoleRing ring, GrantMapping mapping, EventPort port) implements AutoCloseable {
  @Override
  public void close() {
    port.close();
    mapping.close();
  }
}
