package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.kernel.engine.FpuState;
import java.math.BigInteger;

/**
 * The older images of x87 state: FNSTENV, FLDENV, FNSAVE, FRSTOR (Intel SDM vol. 1, 8.1.10,
 * protected-mode formats of 32 and of 16 bits), and packed decimal numbers.
 */
final class X87Environment {
  private static final int REGISTERS = 8;

  private X87Environment() {}

  static void store(Cpu c, FpuState f, long va, boolean words) {
    int step = words ? 2 : 4;
    c.mem.probeWrite(va, 1);
    c.mem.probeWrite(va + 7 * step - 1, 1);
    long upper = words ? 0 : 0xFFFF0000L;
    long[] fields = {
      f.fcw & 0xFFFF | upper,
      f.fsw & 0xFFFF | upper,
      X87.fullTags(f) | upper,
      f.fip,
      f.fop << 16 & 0x7FF0000,
      f.fdp,
      upper
    };
    for (int n = 0; n < 7; n++) {
      c.mem.store(va + n * step, fields[n], step);
    }
  }

  static void load(Cpu c, FpuState f, long va, boolean words) {
    int step = words ? 2 : 4;
    c.mem.probeRead(va, 7 * step);
    int control = (int) c.mem.load(va, 2);
    f.fsw = (int) c.mem.load(va + step, 2);
    X87.setFullTags(f, (int) c.mem.load(va + 2 * step, 2));
    f.fip = c.mem.load(va + 3 * step, step);
    f.fdp = c.mem.load(va + 5 * step, step);
    X87.setControl(f, control);
  }

  static void save(Cpu c, FpuState f, long va, boolean words) {
    int head = words ? 14 : 28;
    c.mem.probeWrite(va, 1);
    c.mem.probeWrite(va + head + 79, 1);
    store(c, f, va, words);
    for (int n = 0; n < REGISTERS; n++) {
      int p = X87.physical(f, n);
      c.mem.storeQword(va + head + 10 * n, f.significand[p]);
      c.mem.storeWord(va + head + 10 * n + 8, f.signExponent[p]);
    }
    X87.initialize(f);
  }

  static void restore(Cpu c, FpuState f, long va, boolean words) {
    int head = words ? 14 : 28;
    c.mem.probeRead(va, head + 80);
    load(c, f, va, words);
    for (int n = 0; n < REGISTERS; n++) {
      int p = X87.physical(f, n);
      f.significand[p] = c.mem.loadQword(va + head + 10 * n);
      f.signExponent[p] = (int) c.mem.loadWord(va + head + 10 * n + 8);
    }
  }

  /** FBLD: 18 decimal digits and a sign. */
  static Extended loadDecimal(Cpu c, long va) {
    c.mem.probeRead(va, 10);
    long value = 0;
    for (int n = 8; n >= 0; n--) {
      int b = (int) c.mem.loadByte(va + n);
      value = value * 100 + (b >> 4) * 10 + (b & 15);
    }
    Extended result = Extended.ofLong(value);
    return (c.mem.loadByte(va + 9) & 0x80) != 0 ? result.negate() : result;
  }

  /** FBSTP. */
  static void storeDecimal(Cpu c, FpuState f, long va) {
    c.mem.probeWrite(va, 8);
    c.mem.probeWrite(va + 8, 2);
    Extended a = X87.get(f, 0);
    FpuState rounding = new FpuState();
    rounding.fcw = f.fcw;
    long value = a.toInteger(rounding, 8, X87.roundingControl(f));
    BigInteger limit = BigInteger.TEN.pow(18);
    if (BigInteger.valueOf(value).abs().compareTo(limit) >= 0) {
      X87.raise(f, X87.IE);
      c.mem.storeQword(va, 0xC000000000000000L);
      c.mem.storeWord(va + 8, 0xFFFF);
      return;
    }
    X87.raise(f, rounding.fsw & X87.PE);
    long rest = Math.abs(value);
    for (int n = 0; n < 9; n++) {
      c.mem.storeByte(va + n, rest % 10 | rest / 10 % 10 << 4);
      rest /= 100;
    }
    c.mem.storeByte(va + 9, a.negative() ? 0x80 : 0);
  }
}
