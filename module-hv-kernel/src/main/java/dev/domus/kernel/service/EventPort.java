package dev.domus.kernel.service;

/** A bound event-channel port of a service domain. Thread-safe. */
public interface EventPort extends AutoCloseable {
  /** The local port number. */
  int port();

  /** Notifies the other end; does nothing if it has gone. */
  void send();

  /** Closes the port; its handler is not called afterwards, except for a call already under way. */
  @Override
  void close();
}
