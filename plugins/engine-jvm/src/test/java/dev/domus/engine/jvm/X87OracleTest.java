package dev.domus.engine.jvm;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.FpuState;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** x87 instructions, transcendental ones excepted, against the processor that the test runs on. */
class X87OracleTest {
  private static final int CASES = 300;

  /**
   * C1 says how the last result was rounded, which the engine does not keep, and DE is not exact
   * for all operands; the rest of the status word is compared.
   */
  private static final int STATUS = 0xFFFF & ~0x202;

  private final Random random = new Random(20260103);
  private final Map<String, String> failures = new LinkedHashMap<>();
  private Duel duel;

  @BeforeEach
  void needsAnX86Host() {
    Assumptions.assumeTrue(
        HostCpu.isPossible(), "the oracle is an x86-64 Linux host, and this is none");
    duel = new Duel();
  }

  @Test
  void x87InstructionsDoWhatTheHostDoes() {
    for (int op = 0xD8; op <= 0xDF; op++) {
      for (int digit = 0; digit < 8; digit++) {
        if (!memoryExcluded(op, digit)) {
          duel(op, digit << 3 | 3);
        }
      }
      for (int modRm = 0xC0; modRm <= 0xFF; modRm++) {
        if (registerExists(op, modRm)) {
          duel(op, modRm);
        }
      }
    }
    System.out.println("host oracle: x87 cases=" + duel.cases);
    assertTrue(
        failures.isEmpty(),
        () ->
            failures.size()
                + " forms differ:\n"
                + String.join(
                    "\n",
                    failures.entrySet().stream()
                        .map(e -> e.getKey() + ": " + e.getValue())
                        .toList()));
  }

  /** Not there, or about the addresses of instructions and operands, which differ. */
  private static boolean memoryExcluded(int op, int digit) {
    return switch (op) {
      case 0xD9 -> digit == 1 || digit == 4 || digit == 5 || digit == 6;
      case 0xDB -> digit == 4 || digit == 6;
      case 0xDD -> digit == 4 || digit == 5 || digit == 6;
      case 0xDF -> digit == 4;
      default -> false;
    };
  }

  private static boolean registerExists(int op, int modRm) {
    int digit = modRm >> 3 & 7;
    return switch (op) {
      case 0xD9 ->
          digit < 2
              || modRm == 0xD0
              || modRm == 0xE0
              || modRm == 0xE1
              || modRm == 0xE4
              || modRm == 0xE5
              || digit == 5 && modRm != 0xEF
              || modRm == 0xF4
              || modRm == 0xF5
              || modRm == 0xF6
              || modRm == 0xF7
              || modRm == 0xF8
              || modRm == 0xFA
              || modRm == 0xFC
              || modRm == 0xFD;
      case 0xDA -> digit < 4 || modRm == 0xE9;
      case 0xDB -> digit < 4 || digit == 5 || digit == 6 || modRm == 0xE2 || modRm == 0xE3;
      case 0xDD -> digit == 0 || digit >= 2 && digit <= 5;
      case 0xDE -> digit != 2 && (digit != 3 || modRm == 0xD9);
      case 0xDF -> modRm == 0xE0 || digit == 5 || digit == 6;
      default -> digit != 2 && digit != 3 || op == 0xD8;
    };
  }

  private void duel(int op, int modRm) {
    duel.choose(new byte[] {(byte) op, (byte) modRm});
    for (int n = 0; n < CASES; n++) {
      duel.randomize(random);
      duel.before[CpuState.RBX] = duel.host.scratchAddress() + Duel.OPERANDS;
      for (int k = 0; k < 16; k += 8) {
        duel.host.scratch().set(JAVA_LONG_UNALIGNED, Duel.OPERANDS + k, operand(op));
      }
      if (op == 0xDB && modRm == 0x2B) {
        Object[] e = extended();
        duel.host.scratch().set(JAVA_LONG_UNALIGNED, Duel.OPERANDS, (long) e[1]);
        duel.host.scratch().set(JAVA_SHORT_UNALIGNED, Duel.OPERANDS + 8, (short) (int) e[0]);
      }
      FpuState f = duel.vcpu.state.fpu;
      boolean remainder = op == 0xD9 && (modRm == 0xF8 || modRm == 0xF5);
      fill(f, remainder);
      if (remainder && farApart(f)) {
        continue; // the processor reduces in steps then, the engine at once
      }
      SseOracleTest.toImage(f, duel.host.fx());
      String before = image(f);
      String difference = duel.compare(0);
      if (difference == null) {
        difference = compareImage(f, duel.host.fx());
      }
      if (difference != null) {
        failures.put(
            Integer.toHexString(op) + " " + Integer.toHexString(modRm), difference + before);
        return;
      }
    }
  }

  private static boolean farApart(FpuState f) {
    int top = f.fsw >> 11 & 7;
    return (f.signExponent[top] & 0x7FFF) - (f.signExponent[top + 1 & 7] & 0x7FFF) > 60;
  }

  private void fill(FpuState f, boolean near) {
    f.fcw =
        0x7F
            | (random.nextInt(4) == 0 ? new int[] {0, 2, 3}[random.nextInt(3)] : 3) << 8
            | (random.nextInt(3) == 0 ? random.nextInt(4) : 0) << 10;
    f.fsw = random.nextInt(8) << 11;
    f.ftw =
        random.nextInt(8) == 0
            ? random.nextInt(256)
            : 0x7F << (f.fsw >> 11) & 0xFF | 0x7F >> 8 - (f.fsw >> 11);
    f.mxcsr = 0x1F80;
    for (int n = 0; n < 8; n++) {
      Object[] e = extended();
      f.signExponent[n] = (int) e[0];
      f.significand[n] = (long) e[1];
      if (near && (f.signExponent[n] & 0x7FFF) != 0x7FFF && f.significand[n] < 0) {
        f.signExponent[n] = 0x3FF0 + random.nextInt(64) | f.signExponent[n] & 0x8000;
      }
    }
  }

  private Object[] extended() {
    int sign = random.nextInt(2) << 15;
    long significand =
        1L << 63
            | switch (random.nextInt(4)) {
              case 0 -> 0;
              case 1 -> Duel.value(random);
              case 2 -> -1L << random.nextInt(64);
              default -> random.nextLong();
            };
    return switch (random.nextInt(12)) {
      case 0 -> new Object[] {sign, 0L};
      case 1 -> new Object[] {sign | 0x7FFF, 1L << 63};
      case 2 -> new Object[] {sign | 0x7FFF, significand};
      case 3 -> new Object[] {sign, significand & Long.MAX_VALUE};
      case 4 ->
          new Object[] {
            sign | random.nextInt(0x7FFF) + (random.nextInt(20) == 0 ? 0 : 1), significand
          };
      case 5 -> new Object[] {sign | 1 + random.nextInt(70), significand};
      case 6 -> new Object[] {sign | 0x7FFE - random.nextInt(3), significand};
      default -> new Object[] {sign | 0x3FFF - 10 + random.nextInt(80), significand};
    };
  }

  private long operand(int op) {
    return switch (op) {
      case 0xD8, 0xD9 ->
          Float.floatToRawIntBits((float) number()) & 0xFFFFFFFFL | random.nextLong() << 32;
      case 0xDC, 0xDD -> Double.doubleToRawLongBits(number());
      default -> Duel.value(random);
    };
  }

  private double number() {
    return switch (random.nextInt(6)) {
      case 0 -> Double.longBitsToDouble(random.nextLong());
      case 1 -> Math.scalb(random.nextGaussian(), random.nextInt(300) - 150);
      case 2 -> random.nextInt(100) - 50;
      case 3 -> 0.0 * (random.nextBoolean() ? 1 : -1);
      case 4 -> Double.MIN_VALUE * random.nextInt(1000);
      default -> random.nextGaussian();
    };
  }

  private static String image(FpuState f) {
    StringBuilder text =
        new StringBuilder(
            " fcw="
                + Integer.toHexString(f.fcw)
                + " fsw="
                + Integer.toHexString(f.fsw)
                + " ftw="
                + Integer.toHexString(f.ftw));
    for (int n = 0; n < 8; n++) {
      int p = (f.fsw >> 11 & 7) + n & 7;
      text.append(" st")
          .append(n)
          .append('=')
          .append(Integer.toHexString(f.signExponent[p]))
          .append(':')
          .append(Long.toHexString(f.significand[p]));
    }
    return text.toString();
  }

  private String compareImage(FpuState f, MemorySegment fx) {
    int status = fx.get(JAVA_SHORT_UNALIGNED, 2);
    if (((status ^ f.fsw) & STATUS) != 0) {
      return duel.describe(
          "fsw host="
              + Integer.toHexString(status & 0xFFFF)
              + " engine="
              + Integer.toHexString(f.fsw));
    }
    int control = fx.get(JAVA_SHORT_UNALIGNED, 0) & 0xFFFF;
    int tags = fx.get(JAVA_SHORT_UNALIGNED, 4) & 0xFF;
    if (control != f.fcw || tags != f.ftw) {
      return duel.describe(
          "fcw, ftw host="
              + Integer.toHexString(control)
              + ","
              + Integer.toHexString(tags)
              + " engine="
              + Integer.toHexString(f.fcw)
              + ","
              + Integer.toHexString(f.ftw));
    }
    int top = f.fsw >> 11 & 7;
    for (int n = 0; n < 8; n++) {
      long significand = fx.get(JAVA_LONG_UNALIGNED, 32 + 16 * n);
      int exponent = fx.get(JAVA_SHORT_UNALIGNED, 40 + 16 * n) & 0xFFFF;
      int p = top + n & 7;
      if (significand != f.significand[p] || exponent != f.signExponent[p]) {
        return duel.describe(
            "st"
                + n
                + " host="
                + Integer.toHexString(exponent)
                + ":"
                + Long.toHexString(significand)
                + " engine="
                + Integer.toHexString(f.signExponent[p])
                + ":"
                + Long.toHexString(f.significand[p]));
      }
    }
    return null;
  }
}
