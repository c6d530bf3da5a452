package dev.domus.xenstore.store;

/**
 * A domain that the store has been told of, from INTRODUCE to RELEASE. Belongs to the store's lock.
 */
public final class IntroducedDomain {
  private final int domid;
  private GuestRings.Ring ring;
  private boolean shutDown;

  IntroducedDomain(int domid, GuestRings.Ring ring) {
    this.domid = domid;
    this.ring = ring;
  }

  /** The domain. */
  public int domid() {
    return domid;
  }

  GuestRings.Ring ring() {
    return ring;
  }

  void ring(GuestRings.Ring other) {
    ring = other;
  }

  /** Whether its end has been announced already; it is announced once. */
  boolean shutDown() {
    return shutDown;
  }

  void shutDown(boolean announced) {
    shutDown = announced;
  }
}
