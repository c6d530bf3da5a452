package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.engine.jvm.Form.Operands;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Every integer instruction form against the processor that the test runs on. */
class HostOracleTest {
  private static final int ENCODINGS = 16;
  private static final int CASES = 24;
  private static final boolean HOST_IS_AMD = hostIsAmd();
  private final Random random = new Random(20260101);
  private Duel duel;

  private static boolean hostIsAmd() {
    try {
      return Files.readString(Path.of("/proc/cpuinfo")).contains("AuthenticAMD");
    } catch (IOException e) {
      return false;
    }
  }

  @BeforeEach
  void needsAnX86Host() {
    Assumptions.assumeTrue(
        HostCpu.isPossible(), "the oracle is an x86-64 Linux host, and this is none");
    duel = new Duel();
  }

  @Test
  void integerInstructionsDoWhatTheHostDoes() {
    Map<String, String> failures = new LinkedHashMap<>();
    for (Form form : Forms.integer()) {
      String failure = duel(form);
      if (failure != null) {
        failures.putIfAbsent(form.name() + "/" + form.size() + "/" + form.operands(), failure);
      }
    }
    System.out.println(
        "host oracle: integer forms=" + Forms.integer().size() + " cases=" + duel.cases);
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
    for (int e = 0; e < ENCODINGS; e++) {
      duel.choose(form.encode(random, form.size() == 1, false));
      for (int n = 0; n < CASES; n++) {
        duel.randomize(random);
        prepare(form);
        if (isUndefined(form)) {
          continue;
        }
        String difference =
            form.name().endsWith("div") ? division(form) : duel.compare(undefined(form));
        if (difference != null) {
          return difference;
        }
      }
    }
    return null;
  }

  /** Gives registers values with which the instruction stays inside the scratch area. */
  private void prepare(Form form) {
    long[] r = duel.before;
    long operands = duel.host.scratchAddress() + Duel.OPERANDS;
    switch (form.name()) {
      case "enter", "leave" -> r[CpuState.RBP] = duel.host.scratchAddress() + Duel.STACK + 0x20;
      case "string" -> {
        r[CpuState.RSI] = operands + random.nextInt(64);
        r[CpuState.RDI] = operands + random.nextInt(64);
        r[CpuState.RCX] = random.nextInt(24);
        if (random.nextInt(3) == 0) {
          r[16] |= CpuState.DF;
        }
      }
      case "cmpxchg8b" -> {
        if (random.nextBoolean() && duel.instruction[2] == 0x0B) {
          long value = duel.scratchLong(r[CpuState.RBX] - duel.host.scratchAddress());
          r[CpuState.RAX] = value & 0xFFFFFFFFL | random.nextLong() << 32;
          r[CpuState.RDX] = value >>> 32 | random.nextLong() << 32;
        }
      }
      default -> {
        if (form.name().contains("bt")
            && form.operands() == Operands.MEMORY
            && form.immediate() == 0) {
          for (int n = 0; n < 16; n++) {
            if (n != CpuState.RSP && n != Form.BASE && n != Form.INDEX) {
              r[n] = random.nextInt(2000) - 1000;
            }
          }
        }
      }
    }
  }

  /**
   * Words shifted by more than their size by SHLD and SHRD: the engine follows AMD's processors.
   */
  private boolean isUndefined(Form form) {
    return !HOST_IS_AMD
        && form.size() == 2
        && form.name().matches("sh[lr]d.*")
        && undefined(form) == Duel.STATUS;
  }

  /** Flags that the manual leaves undefined; for shifts that depends on the count. */
  private long undefined(Form form) {
    String name = form.name();
    boolean rotate = name.startsWith("ro") || name.startsWith("rc");
    boolean shift = name.startsWith("sh") || name.startsWith("sa");
    if (!rotate && !shift) {
      return form.undefined();
    }
    int bits = 8 * form.size();
    int count =
        name.endsWith(" 1")
            ? 1
            : (int)
                    (name.endsWith("cl")
                        ? duel.before[CpuState.RCX]
                        : duel.instruction[duel.instruction.length - 1])
                & (bits == 64 ? 63 : 31);
    if (count == 0) {
      return 0;
    }
    long mask = rotate ? 0 : Form.AF;
    if (count != 1) {
      mask |= Form.OF;
    }
    if (shift && count >= bits) {
      mask |= Form.CF;
    }
    boolean doubled = name.startsWith("shld") || name.startsWith("shrd");
    if (doubled && count > bits) {
      mask = Duel.STATUS;
    }
    return mask;
  }

  // ---- division: the host is asked only where the quotient fits ----

  private String division(Form form) {
    int size = form.size();
    boolean signed = form.name().equals("idiv");
    Exit exit = duel.engine();
    boolean faulted = exit == Exit.EXCEPTION && duel.vcpu.state.exitVector == 0;
    if (faulted != !quotientFits(form, size, signed)) {
      return duel.describe("#DE=" + faulted + " is wrong");
    }
    if (faulted) {
      CpuState s = duel.vcpu.state;
      boolean untouched =
          s.rip == 0x10000
              && (s.rflags & Duel.STATUS) == (duel.before[16] & Duel.STATUS)
              && s.gpr[0] == duel.before[0]
              && s.gpr[2] == duel.before[2];
      return untouched ? null : duel.describe("#DE has changed something");
    }
    return duel.compare(form.undefined());
  }

  private boolean quotientFits(Form form, int size, boolean signed) {
    long[] r = duel.before;
    BigInteger divisor = big(divisor(form, size), size, signed);
    if (divisor.signum() == 0) {
      return false;
    }
    BigInteger dividend =
        size == 1
            ? big(r[0], 2, signed)
            : big(r[2], size, signed).shiftLeft(8 * size).or(big(r[0], size, false));
    BigInteger quotient = dividend.divide(divisor);
    int bits = 8 * size;
    BigInteger limit = BigInteger.ONE.shiftLeft(signed ? bits - 1 : bits);
    return quotient.compareTo(limit) < 0
        && quotient.compareTo(signed ? limit.negate() : BigInteger.ZERO) >= 0;
  }

  private static BigInteger big(long value, int size, boolean signed) {
    int sh = 64 - 8 * size;
    return signed
        ? BigInteger.valueOf(value << sh >> sh)
        : BigInteger.valueOf(value << sh >>> sh)
            .and(BigInteger.ONE.shiftLeft(8 * size).subtract(BigInteger.ONE));
  }

  /** Finds the operand by decoding by hand what {@link Form} encodes. */
  private long divisor(Form form, int size) {
    byte[] b = duel.instruction;
    int at = 0;
    if (b[at] == 0x66) {
      at++;
    }
    int rex = 0;
    if ((b[at] & 0xF0) == 0x40) {
      rex = b[at++] & 0xFF;
    }
    int modRm = b[at + 1] & 0xFF;
    int rm = modRm & 7;
    if (modRm >= 0xC0) {
      if (size == 1 && rex == 0 && rm >= 4) {
        return duel.before[rm - 4] >>> 8;
      }
      return duel.before[rm | (rex & 1) << 3];
    }
    long va = duel.before[Form.BASE];
    at += 2;
    if (rm == 4) {
      int sib = b[at++] & 0xFF;
      va += duel.before[Form.INDEX] << (sib >> 6);
    }
    if (modRm >> 6 == 1) {
      va += b[at];
    } else if (modRm >> 6 == 2) {
      va += b[at] & 0xFF | (b[at + 1] & 0xFF) << 8 | (b[at + 2] & 0xFF) << 16 | b[at + 3] << 24;
    }
    return duel.scratchLong(va - duel.host.scratchAddress());
  }

  // ---- descriptors: Linux's user segments, which the guest is given too ----

  @Test
  void descriptorInspectionDoesWhatTheHostDoes() {
    duel.vcpu.descriptors.put(0x33, 0x00AFFB000000FFFFL);
    duel.vcpu.descriptors.put(0x2B, 0x00CFF3000000FFFFL);
    duel.vcpu.descriptors.put(0x13, 0x00AF9B000000FFFFL); // the host kernel's code, DPL 0
    duel.vcpu.descriptors.put(0x1B, 0x00CF93000000FFFFL);
    byte[][] instructions = {
      {0x0F, 0x02, (byte) 0xC1}, {0x0F, 0x03, (byte) 0xC1}, // lar, lsl eax, ecx
      {0x66, 0x0F, 0x02, (byte) 0xC1}, {0x66, 0x0F, 0x03, (byte) 0xC1},
      {0x48, 0x0F, 0x02, (byte) 0xC1}, {0x48, 0x0F, 0x03, (byte) 0xC1},
      {0x0F, 0x00, (byte) 0xE1}, {0x0F, 0x00, (byte) 0xE9} // verr, verw cx
    };
    List<String> failures = new ArrayList<>();
    for (byte[] instruction : instructions) {
      duel.choose(instruction);
      for (int selector : new int[] {0x33, 0x2B, 0x30, 0, 3, 0x10, 0x18}) {
        duel.randomize(random);
        duel.before[CpuState.RCX] = selector;
        String difference = duel.compare(0);
        if (difference != null) {
          failures.add(difference);
        }
      }
    }
    assertEquals(List.of(), failures);
  }

  // ---- BMI: VEX-encoded ----

  @Test
  void bitManipulationInstructionsDoWhatTheHostDoes() {
    int[][] encodings = { // map, pp, opcode, digit or -1, undefined flags, immediate bytes
      {2, 0, 0xF2, -1, Form.AF | Form.PF, 0},
      {2, 0, 0xF3, 1, Form.AF | Form.PF, 0},
      {2, 0, 0xF3, 2, Form.AF | Form.PF, 0},
      {2, 0, 0xF3, 3, Form.AF | Form.PF, 0},
      {2, 0, 0xF5, -1, Form.AF | Form.PF, 0},
      {2, 2, 0xF5, -1, 0, 0},
      {2, 3, 0xF5, -1, 0, 0},
      {2, 3, 0xF6, -1, 0, 0},
      {2, 0, 0xF7, -1, Form.AF | Form.SF | Form.PF, 0},
      {2, 1, 0xF7, -1, 0, 0},
      {2, 2, 0xF7, -1, 0, 0},
      {2, 3, 0xF7, -1, 0, 0},
      {3, 3, 0xF0, -1, 0, 1},
    };
    List<String> failures = new ArrayList<>();
    for (int[] e : encodings) {
      for (int n = 0; n < 2000; n++) {
        if (n % 20 == 0) {
          duel.choose(vex(e));
        }
        duel.randomize(random);
        String difference = duel.compare(e[4]);
        if (difference != null) {
          failures.add(difference);
          break;
        }
      }
    }
    System.out.println("host oracle: BMI cases=" + duel.cases);
    assertEquals(List.of(), failures);
  }

  private byte[] vex(int[] e) {
    int w = random.nextInt(2);
    int reg = e[3] >= 0 ? e[3] : other();
    int v = e[0] == 3 ? 0 : other();
    boolean memory = random.nextBoolean();
    int rm = memory ? Form.BASE : other();
    int p1 = (reg < 8 ? 0x80 : 0) | 0x40 | (rm < 8 ? 0x20 : 0) | e[0];
    int p2 = w << 7 | (~v & 15) << 3 | e[1];
    byte[] b = {
      (byte) 0xC4,
      (byte) p1,
      (byte) p2,
      (byte) e[2],
      (byte) ((memory ? 0 : 0xC0) | (reg & 7) << 3 | rm & 7),
      0
    };
    if (e[5] == 0) {
      return java.util.Arrays.copyOf(b, 5);
    }
    b[5] = (byte) random.nextInt(256);
    return b;
  }

  private int other() {
    while (true) {
      int n = random.nextInt(16);
      if (n != 4 && n != Form.BASE && n != Form.INDEX) {
        return n;
      }
    }
  }
}
