package dev.domus.kernel.io;

/**
 * Which I/O frames and ports one domain may reach. A new domain may reach none.
 *
 * <p>A right to a frame is asked for when a page-table entry is made and again at every access, so
 * taking it back needs no search for mappings: they stay in the tables, and accesses through them
 * are page faults from then on. {@link #revokeMemory} and {@link #revokePorts} return when no
 * access is under way that was begun with the right.
 *
 * <p>Thread-safe; asking takes no lock and allocates nothing.
 */
public final class IoRights {
  private final Runnable settle;
  private volatile RangeSet memory = RangeSet.EMPTY;
  private volatile RangeSet ports = RangeSet.EMPTY;

  /**
   * Makes the rights of a domain.
   *
   * @param settle returns when every vCPU of the domain has left the instruction that it was in;
   *     takes no lock that a device's callback could wait for
   */
  public IoRights(Runnable settle) {
    this.settle = settle;
  }

  /** Says whether the domain has any right at all. */
  public boolean hasAny() {
    return !memory.isEmpty() || !ports.isEmpty();
  }

  /** Says whether the domain may map all of a range of frames. */
  public boolean permitsMemory(long firstMfn, long count) {
    return memory.containsAll(firstMfn, count);
  }

  /** Says whether the domain may map any of a range of frames. */
  public boolean permitsAnyMemory(long firstMfn, long count) {
    return memory.containsAny(firstMfn, count);
  }

  /** Says whether the domain may use all of a range of ports. */
  public boolean permitsPorts(int first, int count) {
    return ports.containsAll(first, count);
  }

  /** Gives the right to a range of frames, which are not RAM. */
  public synchronized void grantMemory(long firstMfn, long count) {
    memory = memory.with(firstMfn, count);
  }

  /** Takes the right to a range of frames, whether or not there is one. */
  public void revokeMemory(long firstMfn, long count) {
    synchronized (this) {
      memory = memory.without(firstMfn, count);
    }
    settle.run();
  }

  /** Gives the right to a range of ports. */
  public synchronized void grantPorts(int first, int count) {
    ports = ports.with(first, count);
  }

  /** Takes the right to a range of ports, whether or not there is one. */
  public void revokePorts(int first, int count) {
    synchronized (this) {
      ports = ports.without(first, count);
    }
    settle.run();
  }
}
