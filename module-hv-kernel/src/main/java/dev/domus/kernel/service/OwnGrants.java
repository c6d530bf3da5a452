package dev.domus.kernel.service;

/**
 * The domain's own grant table: what it lets others do with its pages. The entries stand in frames
 * that the domain shares with the hypervisor and are written by its library, as a guest's are;
 * errors in them show when the other domain uses them. Thread-safe.
 */
public interface OwnGrants {
  /** Most grants at a time. */
  int MAX = 64 * 512 - 8;

  /**
   * Lets a domain map and copy a page.
   *
   * @param domid who may
   * @param gfn a guest frame of this domain's
   * @param writable whether it may write
   * @throws HypercallException ENOSPC if {@link #MAX} are in force, ENOMEM if there is no memory
   *     for the table
   */
  GrantedPage permit(int domid, long gfn, boolean writable);

  /**
   * Waits for a page that a domain gives away (GNTTABOP_transfer).
   *
   * @param domid who may give one
   * @param gfn a free guest frame number, where it is to come
   */
  ExpectedPage accept(int domid, long gfn);

  /**
   * Gives a page of this domain's away, with what is in it; it no longer has its guest frame then.
   *
   * @param gfn a guest frame that nothing refers to
   * @param domid a domain that waits for one of this domain's
   * @param ref its grant reference
   * @throws HypercallException if one of this is not so
   */
  void transfer(long gfn, int domid, int ref);

  /** A page that is to come. */
  interface ExpectedPage extends AutoCloseable {
    /** The grant reference, which the giver has to be told. */
    int ref();

    /** Says whether the page has come. */
    boolean arrived();

    /**
     * Stops waiting, or frees the reference once the page has come.
     *
     * @throws HypercallException EBUSY if it is coming this very moment
     */
    @Override
    void close();
  }
}
