package dev.domus.kernel.event;

/**
 * Delivery to a service domain: no shared memory, the target is told of each port and keeps the
 * pending bits.
 */
final class HandlerDelivery implements PortDelivery {
  private final EventTarget target;

  HandlerDelivery(EventTarget target) {
    this.target = target;
  }

  @Override
  public int ports() {
    return ServiceEvents.PORTS;
  }

  @Override
  public void setPending(Port port) {
    target.portPending(port.number);
  }

  @Override
  public void clearPending(Port port) {
    // The target takes the pending bit together with the handler.
  }

  @Override
  public void unmask(Port port) {
    // Handlers are never masked.
  }

  @Override
  public boolean isPending(Port port) {
    return false;
  }

  @Override
  public boolean isMasked(Port port) {
    return false;
  }
}
