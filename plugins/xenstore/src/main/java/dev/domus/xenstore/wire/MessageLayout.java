package dev.domus.xenstore.wire;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A message, in both directions (xen-pv-abi.md, 15.2):
 *
 * <pre>
 *   0  u32 type
 *   4  u32 req_id   echoed
 *   8  u32 tx_id    echoed
 *  12  u32 len      of the payload, at most 4096
 *  16  payload
 * </pre>
 */
public final class MessageLayout {
  /** Size of the header in bytes. */
  public static final int HEADER_BYTES = 16;

  /** Longest payload in bytes. */
  public static final int PAYLOAD_MAX = 4096;

  private static final int TYPE = 0, REQUEST_ID = 4, TRANSACTION_ID = 8, LENGTH = 12;
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private MessageLayout() {}

  /** The type of a message. */
  public static int type(byte[] message) {
    return (int) INT.get(message, TYPE);
  }

  /** The request id. */
  public static int requestId(byte[] message) {
    return (int) INT.get(message, REQUEST_ID);
  }

  /** The transaction id. */
  public static int transactionId(byte[] message) {
    return (int) INT.get(message, TRANSACTION_ID);
  }

  /** The length of the payload as the header says it, unchecked; negative if 2³¹ or more. */
  public static int length(byte[] message) {
    return (int) INT.get(message, LENGTH);
  }

  /** Puts a message together. */
  public static byte[] message(int type, int requestId, int transactionId, byte[] payload) {
    byte[] message = Arrays.copyOf(new byte[HEADER_BYTES], HEADER_BYTES + payload.length);
    INT.set(message, TYPE, type);
    INT.set(message, REQUEST_ID, requestId);
    INT.set(message, TRANSACTION_ID, transactionId);
    INT.set(message, LENGTH, payload.length);
    System.arraycopy(payload, 0, message, HEADER_BYTES, payload.length);
    return message;
  }
}
