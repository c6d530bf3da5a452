package dev.domus.dma;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * A descriptor: 64 bytes at a multiple of 64, little-endian.
 *
 * <pre>
 *    0 u8   OPERATION    1 COPY, 2 FILL, 3 CRC32C, 4 COMPARE
 *    1 u8   FLAGS        bit 0: interrupt when it is done
 *    2 u16  reserved, 0
 *    4 u32  LENGTH       bytes, 1 to 16 MiB
 *    8 u64  SOURCE       address; FILL: the pattern, eight bytes repeated from the start
 *   16 u64  DESTINATION  address; COMPARE: what SOURCE is compared with; CRC32C: 0
 *   24 u64  NEXT         address of the next descriptor of a chain, or 0
 *   32 u64  reserved, 0
 *   40 u64  reserved, 0
 *   48 u64  RESULT       written back: CRC32C: the checksum; COMPARE: bytes before the first difference
 *                        (LENGTH: none); others: LENGTH
 *   56 u32  STATUS       written back, last: 1 done, or an {@link ErrorCode}; software clears it before
 *   60 u32  FAULT        written back: reason of a DMA_FAULT, otherwise 0
 * </pre>
 *
 * <p><b>Chains.</b> NEXT leads from a descriptor in the ring to others anywhere in memory, done in
 * order, each with its own write-back. They count as one place in the ring: HEAD moves on when the
 * last one is done. A chain has 256 descriptors at most, so one that leads back to itself ends in
 * an error.
 *
 * <p><b>Order.</b> Destinations are written in rising order, in pieces that software must not rely
 * on; what overlaps its source is undefined. RESULT and FAULT are there when STATUS is, and so is
 * what the operation wrote.
 *
 * <p>CRC32C is that of iSCSI (RFC 3720, B.4), from an initial value of ones, complemented.
 */
final class DescriptorLayout {
  /** Size of a descriptor. */
  static final int BYTES = 64, SHIFT = 6;

  /** Value of OPERATION. */
  static final int COPY = 1, FILL = 2, CRC32C = 3, COMPARE = 4;

  /** Which operations there are, a bit each. */
  static final int OPERATIONS = 1 << COPY | 1 << FILL | 1 << CRC32C | 1 << COMPARE;

  /** Bit of FLAGS. */
  static final int INTERRUPT = 1;

  /** The largest LENGTH. */
  static final int MAX_LENGTH = 1 << 24;

  /** Descriptors of a chain. */
  static final int MAX_CHAIN = 256;

  /** Offset of what is written back. */
  static final int RESULT = 48, STATUS = 56, FAULT = 60;

  /** Value of STATUS: done. */
  static final int DONE = 1;

  private static final int LENGTH = 4, SOURCE = 8, DESTINATION = 16, NEXT = 24;
  private static final VarHandle INT =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
  private static final VarHandle LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

  private DescriptorLayout() {}

  static int operation(MemorySegment descriptor) {
    return (int) INT.get(descriptor, 0L) & 0xff;
  }

  static boolean wantsInterrupt(MemorySegment descriptor) {
    return ((int) INT.get(descriptor, 0L) >>> Byte.SIZE & INTERRUPT) != 0;
  }

  /** Whether all that is reserved is zero. */
  static boolean reservedIsZero(MemorySegment descriptor) {
    int flags = (int) INT.get(descriptor, 0L) >>> Byte.SIZE;
    boolean unused = operation(descriptor) == CRC32C && destination(descriptor) != 0;
    return (flags & ~INTERRUPT) == 0
        && !unused
        && ((long) LONG.get(descriptor, 32L) | (long) LONG.get(descriptor, 40L)) == 0;
  }

  /** Zero-extended. */
  static long length(MemorySegment descriptor) {
    return (int) INT.get(descriptor, (long) LENGTH) & 0xffff_ffffL;
  }

  static long source(MemorySegment descriptor) {
    return (long) LONG.get(descriptor, (long) SOURCE);
  }

  static long destination(MemorySegment descriptor) {
    return (long) LONG.get(descriptor, (long) DESTINATION);
  }

  static long next(MemorySegment descriptor) {
    return (long) LONG.get(descriptor, (long) NEXT);
  }
}
