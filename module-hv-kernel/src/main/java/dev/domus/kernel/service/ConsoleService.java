package dev.domus.kernel.service;

/** The guests' consoles, as a service for whoever shows them. */
public interface ConsoleService {
  /**
   * Attaches to a domain's console. Output that was kept since the domain began is delivered first.
   *
   * @param domid a domain, introduced or soon to be
   * @param output receives what the guest prints; called on a thread of the service's, must not
   *     block for long
   */
  Attachment attach(int domid, Output output);

  /** Receives console output. */
  @FunctionalInterface
  interface Output {
    /**
     * Called with bytes that the guest printed; the array is the receiver's to read until it
     * returns.
     */
    void write(byte[] bytes, int offset, int length);
  }

  /** One client of a console. */
  interface Attachment extends AutoCloseable {
    /**
     * Types at the guest's console; blocks while the guest's input ring is full, at most until it
     * is closed.
     */
    void type(byte[] bytes, int offset, int length) throws InterruptedException;

    /**
     * Types as much as the guest's input ring has room for at this moment.
     *
     * @return how many bytes that was
     */
    int offer(byte[] bytes, int offset, int length);

    /**
     * Waits until everything that the guest has printed so far has been delivered to this client.
     */
    void drain() throws InterruptedException;

    @Override
    void close();
  }
}
