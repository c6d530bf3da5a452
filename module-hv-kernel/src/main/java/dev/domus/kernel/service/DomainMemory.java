package dev.domus.kernel.service;

import dev.domus.memory.Window;

/**
 * The domain's own memory. It is a translated domain: pages are known by guest frame numbers, which
 * it chooses itself, and the hypervisor's map says what stands behind them. All pages count against
 * the domain's limit. Thread-safe; errors are {@link HypercallException}s.
 */
public interface DomainMemory {
  /**
   * Guest frame numbers below this are the domain's to use; those above are where its library keeps
   * what it shares with the hypervisor.
   */
  long END = (1L << 24) - 4096;

  /**
   * Puts zeroed pages behind a range of free numbers (XENMEM_populate_physmap), in large blocks
   * where alignment and the machine's memory allow.
   *
   * @throws HypercallException ENOMEM, with nothing changed, if a number is taken or out of range,
   *     the limit is reached, or memory ran out; the ABI does not tell these apart
   */
  void populate(long gfn, long count);

  /**
   * Gives pages back (XENMEM_decrease_reservation). Windows on them are revoked; a page that a
   * domain has mapped is freed when that has let go.
   *
   * @throws HypercallException EINVAL at the first number that has no page of the domain's; those
   *     before it are gone
   */
  void giveBack(long gfn, long count);

  /**
   * A window on pages of the domain's own; contiguous whether or not the frames are. It is revoked
   * when one of its pages is given back or moved, and when the domain ends; as long as it is open
   * none is transferred.
   *
   * @throws HypercallException EINVAL if not all of it is the domain's own memory. What is mapped
   *     of others has windows of its own: {@link GrantMapping#window}
   */
  Window window(long gfn, int pages, boolean writable);

  /**
   * How many pages a domain has (XENMEM_current_reservation).
   *
   * @param domid this one's or one that it may ask about
   */
  long pages(int domid);

  /** How many pages a domain may have (XENMEM_maximum_reservation). */
  long maxPages(int domid);

  /** The highest guest frame number in use (XENMEM_maximum_gpfn); 0 if there is none. */
  long highest(int domid);

  /**
   * Lets the domain see its shared info page at a free number (XENMEM_add_to_physmap): the clock's
   * parameters. What is pending is told to the handlers of ports, not there.
   */
  void mapSharedInfo(long gfn);

  /** Lets the domain see a frame of its grant table at a free number, and nowhere else. */
  void mapGrantTable(int index, long gfn);

  /** Moves a page to a free number. */
  void move(long from, long to);

  /** Takes the number of a frame that is shared with the hypervisor away. */
  void unmapShared(long gfn);
}
