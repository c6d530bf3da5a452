package dev.domus.kernel.service;

/**
 * A page of this domain's that another may map or copy: an entry of its grant table. Thread-safe.
 */
public interface GrantedPage extends AutoCloseable {
  /** The grant reference, which the other domain has to be told. */
  int ref();

  /** Says whether somebody has it mapped, or copies it, at this moment. */
  boolean inUse();

  /**
   * Ends the grant, unless it is in use. Its page may be used for something else and its reference
   * is free once this has answered true; a second call does nothing and answers true.
   */
  boolean end();

  /**
   * Ends the grant.
   *
   * @throws HypercallException EBUSY if it is in use; then it goes on
   */
  @Override
  void close();
}
