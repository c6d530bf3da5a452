package dev.domus.kernel.servicedomain;

import dev.domus.kernel.domain.ArgumentAccess;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.Hypercall;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Makes hypercalls of a service domain, one at a time: a buffer for arguments, and the vCPU in
 * whose name the call goes through the table. {@link Callers} gives it to one thread until that
 * closes it.
 */
final class Caller implements AutoCloseable {
  /** Room for arguments. */
  static final int BYTES = 16 << 10;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

  private final MemorySegment arguments = MemorySegment.ofArray(new long[BYTES / Long.BYTES]);
  private final AtomicBoolean busy = new AtomicBoolean();
  private final Vcpu vcpu;

  Caller(Domain domain, int id) {
    vcpu = domain.caller(id, arguments);
  }

  /** Takes it, if nobody has it. */
  boolean take() {
    return !busy.get() && busy.compareAndSet(false, true);
  }

  @Override
  public void close() {
    busy.set(false);
  }

  /** The address of a place in the buffer, as a hypercall takes it. */
  static long at(int offset) {
    return ArgumentAccess.BASE + offset;
  }

  /** Makes a hypercall, and again as often as it is continued. */
  long call(int number, long first, long second, long third) {
    long a1 = first;
    long a2 = second;
    long a3 = third;
    while (true) {
      long result = vcpu.domain().hypervisor().hypercalls().call(vcpu, number, a1, a2, a3, 0, 0);
      if (result != Hypercall.CONTINUE) {
        return result;
      }
      a1 = vcpu.continuation().first();
      a2 = vcpu.continuation().second();
      a3 = vcpu.continuation().third(a3);
    }
  }

  /** The same with a command and the structure at the buffer's start. */
  int call(int number, int command) {
    return (int) call(number, command, at(0), 1);
  }

  int getShort(int offset) {
    return arguments.get(SHORT, offset);
  }

  int getInt(int offset) {
    return arguments.get(INT, offset);
  }

  long getLong(int offset) {
    return arguments.get(LONG, offset);
  }

  Caller putShort(int offset, int value) {
    arguments.set(SHORT, offset, (short) value);
    return this;
  }

  Caller putInt(int offset, int value) {
    arguments.set(INT, offset, value);
    return this;
  }

  Caller putLong(int offset, long value) {
    arguments.set(LONG, offset, value);
    return this;
  }

  /** The bytes of the buffer. */
  MemorySegment bytes() {
    return arguments;
  }
}
