package dev.domus.console;

/**
 * The page of a console ring (xen-pv-abi.md, 15.5):
 *
 * <pre>
 *     0  u8  in[1024]    backend writes, guest reads
 *  1024  u8  out[2048]   guest writes, backend reads
 *  3072  u32 in_cons     guest
 *  3076  u32 in_prod     backend
 *  3080  u32 out_cons    backend
 *  3084  u32 out_prod    guest
 * </pre>
 *
 * <p>Indices run freely; a byte's slot is its index modulo the size of its ring.
 */
final class ConsoleRingLayout {
  /** Size of a ring in bytes. */
  static final int IN_BYTES = 1024, OUT_BYTES = 2048;

  /** Offset of a ring. */
  static final int IN = 0, OUT = 1024;

  /** Offset of an index. */
  static final int IN_CONS = 3072, IN_PROD = 3076, OUT_CONS = 3080, OUT_PROD = 3084;

  private ConsoleRingLayout() {}

  /** Where in the input ring a byte is. */
  static int inSlot(int index) {
    return index & IN_BYTES - 1;
  }

  /** Where in the output ring a byte is. */
  static int outSlot(int index) {
    return index & OUT_BYTES - 1;
  }
}
