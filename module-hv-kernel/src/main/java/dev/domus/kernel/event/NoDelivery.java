package dev.domus.kernel.event;

/** Delivery to a domain that is dead: whoever still sends is too late. */
final class NoDelivery implements PortDelivery {
  static final NoDelivery INSTANCE = new NoDelivery();

  private NoDelivery() {}

  @Override
  public int ports() {
    return 0;
  }

  @Override
  public void setPending(Port port) {
    // Nobody is there.
  }

  @Override
  public void clearPending(Port port) {
    // Nothing becomes pending.
  }

  @Override
  public void unmask(Port port) {
    // Nobody is there.
  }

  @Override
  public boolean isPending(Port port) {
    return false;
  }

  @Override
  public boolean isMasked(Port port) {
    return true;
  }
}
