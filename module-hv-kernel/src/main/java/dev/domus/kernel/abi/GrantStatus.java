package dev.domus.kernel.abi;

/**
 * Status codes that grant-table operations leave in their structures (xen-pv-abi.md, section 12).
 */
public final class GrantStatus {
  /** Done. */
  public static final int OKAY = 0;

  /** Refused, for a reason that has no code of its own. */
  public static final int GENERAL_ERROR = -1;

  /** What a structure named does not exist. */
  public static final int BAD_DOMAIN = -2,
      BAD_GNTREF = -3,
      BAD_HANDLE = -4,
      BAD_VIRT_ADDR = -5,
      BAD_DEV_ADDR = -6;

  /** Not the caller's to do. */
  public static final int PERMISSION_DENIED = -8;

  /** The frame is not one that can be granted, or not the caller's own. */
  public static final int BAD_PAGE = -9;

  /** Offset or length of a copy is out of range. */
  public static final int BAD_COPY_ARG = -10;

  /** The grant is in use: to be tried again later. */
  public static final int EAGAIN = -12;

  /** There are no more handles. */
  public static final int NO_SPACE = -13;

  private GrantStatus() {}
}
