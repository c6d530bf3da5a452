package dev.domus.kernel.trap;

import dev.domus.kernel.domain.Vcpu;

/**
 * The checks that IRET to CPL 3 makes of CS and SS (AMD64 APM vol. 3, IRET). Results are −1 if the
 * selector will do, otherwise the vector in the high and the error code in the low 16 bits.
 */
final class Selectors {
  private static final long PRESENT = 1L << 47,
      CODE_OR_DATA = 1L << 44,
      EXECUTABLE = 1L << 43,
      CONFORMING = 1L << 42;
  private static final int TABLE_INDICATOR = 4;

  private static final long WRITABLE = 1L << 41, LONG_MODE = 1L << 53;

  private Selectors() {}

  static int codeError(Vcpu v, int selector) {
    if ((selector & ~3) == 0) {
      return error(Vector.GP, 0);
    }
    long d = descriptor(v, selector);
    int dpl = dpl(d);
    if ((d & CODE_OR_DATA) == 0 || (d & EXECUTABLE) == 0 || (d & CONFORMING) == 0 && dpl != 3) {
      return error(Vector.GP, selector);
    }
    if ((d & PRESENT) == 0) {
      return error(Vector.NP, selector);
    }
    return (d & LONG_MODE) == 0
        ? error(Vector.GP, selector)
        : -1; // 32-bit code is not run: docs/CAVEATS.md
  }

  static int stackError(Vcpu v, int selector) {
    if ((selector & ~3) == 0) {
      return error(Vector.GP, 0);
    }
    long d = descriptor(v, selector);
    if ((d & CODE_OR_DATA) == 0 || (d & EXECUTABLE) != 0 || (d & WRITABLE) == 0 || dpl(d) != 3) {
      return error(Vector.GP, selector);
    }
    return (d & PRESENT) == 0 ? error(Vector.SS, selector) : -1;
  }

  /** A descriptor; a page of the LDT that has not been used yet is attached first. */
  private static long descriptor(Vcpu v, int selector) {
    if ((selector & TABLE_INDICATOR) != 0) {
      v.domain().mmu().attachLdt(v, selector);
    }
    return v.descriptor(selector);
  }

  private static int dpl(long descriptor) {
    return (int) (descriptor >>> 45) & 3;
  }

  private static int error(int vector, int selector) {
    return vector << 16 | selector & 0xFFFC;
  }
}
