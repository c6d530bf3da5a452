package dev.domus.engine.jvm;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.engine.jvm.Form.Operands;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.FpuState;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** SSE, SSE2 and MMX instructions against the processor that the test runs on. */
class SseOracleTest {
  private static final int ENCODINGS = 10;
  private static final int CASES = 60;
  private final Random random = new Random(20260102);
  private final List<Form> forms = new ArrayList<>();
  private Duel duel;

  @BeforeEach
  void needsAnX86Host() {
    Assumptions.assumeTrue(
        HostCpu.isPossible(), "the oracle is an x86-64 Linux host, and this is none");
    duel = new Duel();
  }

  private void form(int prefix, int opcode, int immediate, boolean register, boolean memory) {
    String name = Integer.toHexString(prefix) + " 0f " + Integer.toHexString(opcode);
    int[] bytes = {0x0F, opcode};
    if (register) {
      forms.add(new Form(name, prefix, bytes, 4, -1, Operands.REGISTER, immediate, 0));
    }
    if (memory) {
      forms.add(new Form(name, prefix, bytes, 4, -1, Operands.MEMORY, immediate, 0));
    }
  }

  private void both(int opcode, int immediate, int... prefixes) {
    for (int prefix : prefixes) {
      form(prefix, opcode, immediate, true, true);
    }
  }

  @Test
  void sseInstructionsDoWhatTheHostDoes() {
    both(0x10, 0, 0, 0x66, 0xF3, 0xF2);
    both(0x11, 0, 0, 0x66, 0xF3, 0xF2);
    form(0, 0x12, 0, true, true);
    form(0x66, 0x12, 0, false, true);
    form(0, 0x16, 0, true, true);
    form(0x66, 0x16, 0, false, true);
    both(0x12, 0, 0xF3, 0xF2);
    both(0x16, 0, 0xF3);
    for (int op : new int[] {0x13, 0x17, 0x2B}) {
      form(0, op, 0, false, true);
      form(0x66, op, 0, false, true);
    }
    for (int op : new int[] {0x14, 0x15, 0x28, 0x29, 0x2E, 0x2F, 0x54, 0x55, 0x56, 0x57}) {
      both(op, 0, 0, 0x66);
    }
    form(0, 0x50, 0, true, false);
    form(0x66, 0x50, 0, true, false);
    for (int op : new int[] {0x51, 0x58, 0x59, 0x5A, 0x5C, 0x5D, 0x5E, 0x5F}) {
      both(op, 0, 0, 0x66, 0xF3, 0xF2);
    }
    both(0x5B, 0, 0, 0x66, 0xF3);
    both(0xC2, 1, 0, 0x66, 0xF3, 0xF2);
    both(0xC6, 1, 0, 0x66);
    both(0xC4, 1, 0x66, 0);
    form(0x66, 0xC5, 1, true, false);
    form(0, 0xC5, 1, true, false);
    for (int op = 0x60; op <= 0x6F; op++) {
      both(op, 0, op == 0x6C || op == 0x6D ? new int[] {0x66} : new int[] {0x66, 0});
    }
    both(0x6F, 0, 0xF3);
    both(0x70, 1, 0x66, 0xF3, 0xF2, 0);
    both(0x74, 0, 0x66, 0);
    both(0x75, 0, 0x66, 0);
    both(0x76, 0, 0x66, 0);
    both(0x7E, 0, 0x66, 0xF3, 0);
    both(0x7F, 0, 0x66, 0xF3, 0);
    for (int op = 0xD1; op <= 0xFE; op++) {
      if (op == 0xD6 || op == 0xD7 || op == 0xE6 || op == 0xE7 || op == 0xF0 || op == 0xF7) {
        continue;
      }
      both(op, 0, 0x66, 0);
    }
    both(0xD6, 0, 0x66);
    form(0xF3, 0xD6, 0, true, false);
    form(0xF2, 0xD6, 0, true, false);
    form(0x66, 0xD7, 0, true, false);
    form(0, 0xD7, 0, true, false);
    both(0xE6, 0, 0x66, 0xF3, 0xF2);
    form(0x66, 0xE7, 0, false, true);
    form(0, 0xE7, 0, false, true);
    for (int op : new int[] {0x2A, 0x2C, 0x2D}) {
      both(op, 0, 0xF3, 0xF2, 0, 0x66);
      for (int prefix : new int[] {0xF3, 0xF2}) {
        forms.add(new Form("cvt64", prefix, new int[] {0x0F, op}, 8, -1, Operands.REGISTER, 0, 0));
        forms.add(new Form("cvt64", prefix, new int[] {0x0F, op}, 8, -1, Operands.MEMORY, 0, 0));
      }
    }
    for (int op : new int[] {0x6E, 0x7E}) {
      forms.add(new Form("movq", 0x66, new int[] {0x0F, op}, 8, -1, Operands.REGISTER, 0, 0));
      forms.add(new Form("movq", 0x66, new int[] {0x0F, op}, 8, -1, Operands.MEMORY, 0, 0));
    }
    for (int op = 0x71; op <= 0x73; op++) {
      for (int digit : new int[] {2, 4, 6, 3, 7}) {
        boolean bytes = digit == 3 || digit == 7;
        if (op == 0x73 ? digit != 4 : !bytes) {
          forms.add(
              new Form("shift", 0x66, new int[] {0x0F, op}, 4, digit, Operands.REGISTER, 1, 0));
          if (!bytes) {
            forms.add(
                new Form("shift", 0, new int[] {0x0F, op}, 4, digit, Operands.REGISTER, 1, 0));
          }
        }
      }
    }
    run();
  }

  private void run() {
    Map<String, String> failures = new LinkedHashMap<>();
    for (Form form : forms) {
      String failure = duel(form);
      if (failure != null) {
        failures.putIfAbsent(form.name() + "/" + form.operands(), failure);
      }
    }
    System.out.println("host oracle: SSE and MMX forms=" + forms.size() + " cases=" + duel.cases);
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

  private String duel(Form form) {
    boolean general =
        List.of(0x6E, 0x7E, 0x2A, 0x2C, 0x2D, 0x50, 0xD7, 0xC4, 0xC5).contains(form.opcode()[1]);
    for (int e = 0; e < ENCODINGS; e++) {
      duel.choose(form.encode(random, false, !general));
      for (int n = 0; n < CASES; n++) {
        duel.randomize(random);
        align(form);
        FpuState f = duel.vcpu.state.fpu;
        for (int k = 0; k < 32; k++) {
          f.xmm[k] = floatBits();
        }
        for (int k = 0; k < 8; k++) {
          f.significand[k] = floatBits();
          f.signExponent[k] = 0xFFFF;
        }
        f.ftw = 0xFF;
        f.fsw = 0;
        f.fcw = 0x37F;
        f.mxcsr = 0x1F80 | (isConversion(form) ? random.nextInt(4) << 13 : 0);
        toImage(f, duel.host.fx());
        String difference = duel.compare(0);
        if (difference == null) {
          difference = compareImage(f, duel.host.fx());
        }
        if (difference != null) {
          return difference;
        }
      }
    }
    return null;
  }

  private static boolean isConversion(Form form) {
    int op = form.opcode()[1];
    return op == 0x2D
        || op == 0x2C
        || form.prefix() == 0x66 && op == 0x5B
        || op == 0xE6 && form.prefix() != 0xF3;
  }

  /** Makes the memory operand 16-byte aligned, and what it holds interesting. */
  private void align(Form form) {
    long base = duel.host.scratchAddress() + Duel.OPERANDS;
    duel.before[CpuState.R9] = 0;
    duel.before[CpuState.RBX] = base;
    byte[] b = duel.instruction;
    int at = 0;
    while ((b[at] & 0xFF) != 0x0F) {
      at++;
    }
    int modRm = b[at + 2] & 0xFF;
    int disp = 0;
    if (modRm >> 6 == 1) {
      disp = b[at + 3 + ((modRm & 7) == 4 ? 1 : 0)];
    } else if (modRm >> 6 == 2) {
      disp = b[at + 3 + ((modRm & 7) == 4 ? 1 : 0)];
    }
    duel.before[CpuState.RBX] -= disp;
    for (int n = 0; n < 16; n += 8) {
      duel.host.scratch().set(JAVA_LONG_UNALIGNED, Duel.OPERANDS + n, floatBits());
    }
  }

  /** Bits that are likely to mean something as one double, two singles or integers. */
  private long floatBits() {
    return switch (random.nextInt(6)) {
      case 0 -> Double.doubleToRawLongBits(DOUBLES[random.nextInt(DOUBLES.length)]);
      case 1 -> single() | single() << 32;
      case 2 -> Double.doubleToRawLongBits(random.nextGaussian() * 1000);
      case 3 ->
          Float.floatToRawIntBits((float) random.nextGaussian() * 100) & 0xFFFFFFFFL
              | single() << 32;
      default -> Duel.value(random);
    };
  }

  private static final double[] DOUBLES = {
    0.0,
    -0.0,
    1,
    -1,
    0.5,
    1.5,
    2.5,
    -2.5,
    1e300,
    -1e300,
    1e-310,
    Double.POSITIVE_INFINITY,
    Double.NEGATIVE_INFINITY,
    Double.NaN,
    2147483647.5,
    -2147483648.5,
    9.3e18,
    1e-40,
    3.5e38,
    Double.MAX_VALUE,
    Double.MIN_VALUE,
    4194304.25
  };

  private long single() {
    return Float.floatToRawIntBits((float) DOUBLES[random.nextInt(DOUBLES.length)]) & 0xFFFFFFFFL;
  }

  static void toImage(FpuState f, MemorySegment fx) {
    fx.fill((byte) 0);
    fx.set(JAVA_SHORT_UNALIGNED, 0, (short) f.fcw);
    fx.set(JAVA_SHORT_UNALIGNED, 2, (short) f.fsw);
    fx.set(JAVA_SHORT_UNALIGNED, 4, (short) f.ftw);
    fx.set(JAVA_INT_UNALIGNED, 24, f.mxcsr);
    int top = f.fsw >> 11 & 7;
    for (int n = 0; n < 8; n++) {
      fx.set(JAVA_LONG_UNALIGNED, 32 + 16 * n, f.significand[top + n & 7]);
      fx.set(JAVA_SHORT_UNALIGNED, 40 + 16 * n, (short) f.signExponent[top + n & 7]);
    }
    for (int n = 0; n < 32; n++) {
      fx.set(JAVA_LONG_UNALIGNED, 160 + 8 * n, f.xmm[n]);
    }
  }

  private String compareImage(FpuState f, MemorySegment fx) {
    for (int n = 0; n < 32; n++) {
      long host = fx.get(JAVA_LONG_UNALIGNED, 160 + 8 * n);
      if (host != f.xmm[n]) {
        return duel.describe(
            "xmm"
                + (n >> 1)
                + (n % 2 == 0 ? " low" : " high")
                + " host="
                + Long.toHexString(host)
                + " engine="
                + Long.toHexString(f.xmm[n]));
      }
    }
    for (int n = 0; n < 8; n++) {
      long host = fx.get(JAVA_LONG_UNALIGNED, 32 + 16 * n);
      int exponent = fx.get(JAVA_SHORT_UNALIGNED, 40 + 16 * n) & 0xFFFF;
      if (host != f.significand[n] || exponent != f.signExponent[n]) {
        return duel.describe(
            "mm"
                + n
                + " host="
                + Long.toHexString(host)
                + " engine="
                + Long.toHexString(f.significand[n])
                + " exponent="
                + Integer.toHexString(exponent));
      }
    }
    return null;
  }
}
