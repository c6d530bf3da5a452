package dev.domus.pciback;

import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;

/**
 * The connection to a guest.
 *
 * @param mapping the shared page
 * @param port notifies the guest
 */
record Link(GrantMapping mapping, EventPort port) implements AutoCloseable {
  @Override
  public void close() {
    port.close();
    mapping.close();
  }
}
