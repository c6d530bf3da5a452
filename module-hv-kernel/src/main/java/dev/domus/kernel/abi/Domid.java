package dev.domus.kernel.abi;

/**
 * Domain ids: 0 to {@link #FIRST_RESERVED} − 1 name domains, the rest have meanings of their own.
 */
public final class Domid {
  /** The first id that no domain has. */
  public static final int FIRST_RESERVED = 0x7FF0;

  /** The calling domain. */
  public static final int SELF = 0x7FF0;

  /** Owner of frames that are not RAM. */
  public static final int IO = 0x7FF1;

  /** The hypervisor itself. */
  public static final int XEN = 0x7FF2;

  /** No domain. */
  public static final int INVALID = 0x7FF4;

  private Domid() {}
}
