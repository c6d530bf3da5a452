package dev.domus.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * An entry of a submission queue (4.2), and of a completion queue (4.6).
 *
 * <pre>
 *  submission, 64 bytes                            completion, 16 bytes
 *   0 u8  opcode                                    0 u32 result of the command
 *   1 u8  PSDT (7:6)  FUSE (1:0)                    4 u32 reserved
 *   2 u16 command identifier                        8 u16 head of the submission queue
 *   4 u32 namespace identifier                     10 u16 submission queue
 *   8 u64 reserved                                 12 u16 command identifier
 *  16 u64 metadata pointer                         14 u16 | status 15:1 | phase 0 |
 *  24 u64 PRP entry 1
 *  32 u64 PRP entry 2
 *  40 u32 dword 10 ... 60 u32 dword 15
 * </pre>
 */
final class CommandLayout {
  /** Size of an entry. */
  static final int COMMAND_BYTES = 64, COMPLETION_BYTES = 16;

  /** Binary logarithm of it. */
  static final int COMMAND_ORDER = 6, COMPLETION_ORDER = 4;

  /** The namespace identifier that means all of them. */
  static final int ALL_NAMESPACES = -1;

  private static final VarHandle INT =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
  private static final VarHandle LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

  private CommandLayout() {}

  /** A double word by its number in the command. */
  static int dword(MemorySegment command, int number) {
    return (int) INT.get(command, (long) number * Integer.BYTES);
  }

  static int opcode(MemorySegment command) {
    return dword(command, 0) & 0xff;
  }

  static int commandId(MemorySegment command) {
    return dword(command, 0) >>> 16;
  }

  /**
   * Whether it is one of two fused commands, or has a scatter–gather list. Neither is supported.
   */
  static boolean isFusedOrHasSgl(MemorySegment command) {
    return (dword(command, 0) & 0xc300) != 0;
  }

  static int namespace(MemorySegment command) {
    return dword(command, 1);
  }

  static long prp1(MemorySegment command) {
    return (long) LONG.get(command, 24L);
  }

  static long prp2(MemorySegment command) {
    return (long) LONG.get(command, 32L);
  }

  /** First logical block, with commands that have one (6.6 …): dwords 10 and 11. */
  static long firstBlock(MemorySegment command) {
    return (long) LONG.get(command, 40L);
  }

  /** Number of logical blocks, with commands that have it. */
  static int blocks(MemorySegment command) {
    return (dword(command, 12) & 0xffff) + 1;
  }

  /** The second double word pair of a completion but for status and phase. */
  static long completionTail(int head, int queue, int commandId, int status, int phase) {
    return head | (long) queue << 16 | (long) commandId << 32 | (long) (status << 1 | phase) << 48;
  }
}
