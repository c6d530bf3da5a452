package dev.domus.net.packet;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Numbers in network order in an array of bytes. */
public final class Bytes {
  private static final VarHandle SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

  private Bytes() {}

  /** One byte, 0 to 255. */
  public static int u8(byte[] bytes, int at) {
    return bytes[at] & 0xFF;
  }

  /** Two bytes, 0 to 65535. */
  public static int u16(byte[] bytes, int at) {
    return (short) SHORT.get(bytes, at) & 0xFFFF;
  }

  /** Four bytes. */
  public static int i32(byte[] bytes, int at) {
    return (int) INT.get(bytes, at);
  }

  /** Four bytes, not negative. */
  static long u32(byte[] bytes, int at) {
    return i32(bytes, at) & 0xFFFF_FFFFL;
  }

  /** Six bytes: a MAC address. */
  public static long u48(byte[] bytes, int at) {
    return (long) u16(bytes, at) << 32 | u32(bytes, at + 2);
  }

  /** Eight bytes. */
  public static long i64(byte[] bytes, int at) {
    return (long) LONG.get(bytes, at);
  }

  /** Stores two bytes. */
  public static void putU16(byte[] bytes, int at, int value) {
    SHORT.set(bytes, at, (short) value);
  }

  /** Stores four bytes. */
  public static void putI32(byte[] bytes, int at, int value) {
    INT.set(bytes, at, value);
  }

  /** Stores six bytes. */
  public static void putU48(byte[] bytes, int at, long value) {
    putU16(bytes, at, (int) (value >>> 32));
    putI32(bytes, at + 2, (int) value);
  }
}
