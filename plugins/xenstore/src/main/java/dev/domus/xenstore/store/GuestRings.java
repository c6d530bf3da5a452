package dev.domus.xenstore.store;

/**
 * Opens the connection to a domain that the store has been told of. Whoever serves rings implements
 * it.
 */
@FunctionalInterface
public interface GuestRings {
  /**
   * Maps the domain's ring and binds its port.
   *
   * @return closes the connection; a second call does nothing
   * @throws dev.domus.kernel.service.StoreException if the domain has granted no ring or has no
   *     such port
   */
  Ring open(int domid, int port);

  /** A ring that is served. */
  interface Ring {
    /** The connection by which the domain is known to the store. */
    Connection connection();

    /** Stops serving it and gives the mapping back. */
    void close();
  }
}
