package dev.domus.kernel.event;

/**
 * A physical interrupt of a domain, as a port is bound to it. Called under the lock of the domain's
 * {@link EventChannels}; may make the port pending from within.
 */
public interface PhysicalInterrupt {
  /** Its number in the domain. */
  int number();

  /**
   * A port has been bound to it; what was pending is delivered.
   *
   * @return false, and nothing has happened, if it has another port or is there no more
   */
  boolean bind(int port);

  /** Its port is being closed; what it raises from now on waits for the next one. */
  void unbind();
}
