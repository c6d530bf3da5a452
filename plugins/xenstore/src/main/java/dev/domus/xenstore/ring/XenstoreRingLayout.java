package dev.domus.xenstore.ring;

/**
 * The page of a xenstore ring (xen-pv-abi.md, 15.1), of which 2076 bytes are used:
 *
 * <pre>
 *     0  u8  req[1024]         guest writes, store reads
 *  1024  u8  rsp[1024]         store writes, guest reads
 *  2048  u32 req_cons          store
 *  2052  u32 req_prod          guest
 *  2056  u32 rsp_cons          guest
 *  2060  u32 rsp_prod          store
 *  2064  u32 server_features   store: 1 can reconnect, 2 reports errors
 *  2068  u32 connection        0 connected, 1 guest asks for reconnection
 *  2072  u32 error             store: 0 none, 1 communication, 2 indices, 3 protocol
 * </pre>
 *
 * <p>Indices run freely; a byte's slot is its index modulo 1024.
 */
final class XenstoreRingLayout {
  /** Size of each ring in bytes. */
  static final int RING_BYTES = 1024;

  /** Offset of a ring. */
  static final int REQ = 0, RSP = 1024;

  /** Offset of an index. */
  static final int REQ_CONS = 2048, REQ_PROD = 2052, RSP_CONS = 2056, RSP_PROD = 2060;

  /** Offset. */
  static final int SERVER_FEATURES = 2064, ERROR = 2072;

  /** Bit of server_features. */
  static final int FEATURE_ERROR = 2;

  /** Value of error. */
  static final int ERROR_NONE = 0, ERROR_INDICES = 2, ERROR_PROTOCOL = 3;

  private XenstoreRingLayout() {}

  /** Where in a ring of 1024 bytes a byte is. */
  static int slot(int index) {
    return index & RING_BYTES - 1;
  }
}
