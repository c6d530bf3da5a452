package dev.domus.kernel.service;

/**
 * One copy between two pages (GNTTABOP_copy, xen-pv-abi.md, 12.4).
 *
 * @param from where the bytes are
 * @param to where they go
 * @param length bytes; neither end may cross its page
 */
public record GrantCopy(Place from, Place to, int length) {
  /** An end of a copy. */
  public sealed interface Place {
    /** Offset in the page, 0 to 4095. */
    int offset();
  }

  /**
   * In a page that a domain has granted to the caller.
   *
   * @param domid the granting domain
   * @param ref its grant reference
   */
  public record Granted(int domid, int ref, int offset) implements Place {}

  /**
   * In a page of the caller's own.
   *
   * @param gfn its guest frame
   */
  public record Own(long gfn, int offset) implements Place {}
}
