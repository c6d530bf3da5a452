package dev.domus.kernel.abi;

import dev.domus.kernel.engine.FpuState;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The FXSAVE image with 64-bit pointers (Intel SDM vol. 1, 10.5.1), as vcpu_guest_context begins
 * with it.
 *
 * <pre>
 *    0 FCW   2 FSW   4 FTW (abridged)   6 FOP   8 FIP   16 FDP   24 MXCSR   28 MXCSR_MASK
 *   32 ST0 to ST7, 16 bytes each        160 XMM0 to XMM15        416 not used, to 512
 * </pre>
 */
public final class FxsaveLayout {
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

  private static final int FCW = 0, FSW = 2, FTW = 4, FOP = 6, FIP = 8, FDP = 16;
  private static final int MXCSR = 24, MXCSR_MASK = 28, STACK = 32, XMM = 160, REGISTER = 16;

  /** Bits that exist. */
  private static final int FCW_BITS = 0x1F7F, FCW_ONE = 0x40, FOP_BITS = 0x7FF, MXCSR_BITS = 0xFFFF;

  private FxsaveLayout() {}

  /** Writes an image at the beginning of a segment of zeros. */
  public static void store(FpuState f, MemorySegment image) {
    image.set(SHORT, FCW, (short) f.fcw);
    image.set(SHORT, FSW, (short) f.fsw);
    image.set(ValueLayout.JAVA_BYTE, FTW, (byte) f.ftw);
    image.set(SHORT, FOP, (short) f.fop);
    image.set(LONG, FIP, f.fip);
    image.set(LONG, FDP, f.fdp);
    image.set(INT, MXCSR, f.mxcsr);
    image.set(INT, MXCSR_MASK, MXCSR_BITS);
    for (int n = 0; n < 8; n++) {
      int physical = physical(f, n);
      image.set(LONG, STACK + REGISTER * n, f.significand[physical]);
      image.set(SHORT, STACK + REGISTER * n + 8, (short) f.signExponent[physical]);
    }
    for (int n = 0; n < f.xmm.length; n++) {
      image.set(LONG, XMM + 8L * n, f.xmm[n]);
    }
  }

  /** Reads an image; bits that do not exist are left out. */
  public static void load(FpuState f, MemorySegment image) {
    f.fcw = image.get(SHORT, FCW) & FCW_BITS | FCW_ONE;
    f.fsw = image.get(SHORT, FSW) & 0xFFFF;
    f.ftw = image.get(ValueLayout.JAVA_BYTE, FTW) & 0xFF;
    f.fop = image.get(SHORT, FOP) & FOP_BITS;
    f.fip = image.get(LONG, FIP);
    f.fdp = image.get(LONG, FDP);
    f.mxcsr = image.get(INT, MXCSR) & MXCSR_BITS;
    for (int n = 0; n < 8; n++) {
      int physical = physical(f, n);
      f.significand[physical] = image.get(LONG, STACK + REGISTER * n);
      f.signExponent[physical] = image.get(SHORT, STACK + REGISTER * n + 8) & 0xFFFF;
    }
    for (int n = 0; n < f.xmm.length; n++) {
      f.xmm[n] = image.get(LONG, XMM + 8L * n);
    }
  }

  /** The physical register that is ST(n); TOP is in bits 11 to 13 of the status word. */
  private static int physical(FpuState f, int n) {
    return (f.fsw >>> 11) + n & 7;
  }
}
