package dev.domus.kernel.domctl;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.domain.Vcpu;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The argument of one domctl or sysctl: copied once out of the caller's memory, changed by the
 * operation, and written back by it if it has something to say.
 */
final class Argument {
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

  private final Vcpu caller;
  private final long at;
  private final MemorySegment copy = MemorySegment.ofArray(new byte[DomctlLayout.UNION_SIZE]);

  /**
   * Copies the argument.
   *
   * @param at address of the union in the caller's memory
   */
  Argument(Vcpu caller, long at) {
    this.caller = caller;
    this.at = at;
    caller.guest().read(at, copy, 0, DomctlLayout.UNION_SIZE);
  }

  /** An empty one of the same caller, for what an operation writes elsewhere. */
  Argument(Argument other) {
    caller = other.caller;
    at = other.at;
  }

  /** The calling vCPU. */
  Vcpu caller() {
    return caller;
  }

  int getByte(int offset) {
    return copy.get(ValueLayout.JAVA_BYTE, offset) & 0xFF;
  }

  int getShort(int offset) {
    return copy.get(ValueLayout.JAVA_SHORT_UNALIGNED, offset) & 0xFFFF;
  }

  int getInt(int offset) {
    return copy.get(INT, offset);
  }

  long getLong(int offset) {
    return copy.get(LONG, offset);
  }

  void putByte(int offset, int value) {
    copy.set(ValueLayout.JAVA_BYTE, offset, (byte) value);
  }

  void putShort(int offset, int value) {
    copy.set(ValueLayout.JAVA_SHORT_UNALIGNED, offset, (short) value);
  }

  void putInt(int offset, int value) {
    copy.set(INT, offset, value);
  }

  void putLong(int offset, long value) {
    copy.set(LONG, offset, value);
  }

  /** Throws unless the argument can be written back: before the first effect. */
  void requireWritable() {
    caller.guest().requireWritable(at, DomctlLayout.UNION_SIZE);
  }

  /** Writes the argument back. */
  void writeBack() {
    caller.guest().write(at, copy, 0, DomctlLayout.UNION_SIZE);
  }

  /** Writes part of it elsewhere into the caller's memory. */
  void writeTo(long va, int length) {
    caller.guest().write(va, copy, 0, length);
  }
}
