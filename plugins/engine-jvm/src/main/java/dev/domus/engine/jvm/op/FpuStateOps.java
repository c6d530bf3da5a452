package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.kernel.engine.FpuState;

/** FXSAVE, FXRSTOR, LDMXCSR and STMXCSR. */
final class FpuStateOps {
  /** Bits of MXCSR that exist; setting another is #GP(0). */
  static final int MXCSR_MASK = 0xFFFF;

  private FpuStateOps() {}

  /**
   * FXSAVE and FXRSTOR (Intel SDM vol. 1, 10.5.1).
   *
   * <pre>
   *    0 FCW   2 FSW   4 FTW (abridged)   6 FOP   8 FIP   16 FDP   24 MXCSR   28 MXCSR_MASK
   *   32 ST0 to ST7, 16 bytes each        160 XMM0 to XMM15
   * </pre>
   *
   * <p>As on AMD's processors, FOP, FIP and FDP are saved and restored only if an x87 exception is
   * pending.
   */
  static final class FullState extends Op {
    private static final int BYTES = 416;
    private static final int ES = 1 << 7;
    private final Address address;
    private final boolean restore;

    FullState(Insn insn) {
      super(insn);
      address = new Address(insn);
      restore = insn.digit() == 1;
    }

    @Override
    public void execute(Cpu c) {
      SseOps.requireSse(c);
      long va = address.of(c);
      if (va << 16 >> 16 == va && (va & 15) != 0) {
        throw c.raise(GuestFault.GP);
      }
      FpuState f = c.state.fpu;
      if (restore) {
        c.mem.probeRead(va, BYTES);
        restore(c, f, va);
      } else {
        c.mem.probeWrite(va, 8);
        c.mem.probeWrite(va + BYTES - 8, 8);
        save(c, f, va);
      }
    }

    private static void save(Cpu c, FpuState f, long va) {
      boolean pending = (f.fsw & ES) != 0;
      c.mem.storeQword(
          va,
          f.fcw & 0xFFFFL
              | (f.fsw & 0xFFFFL) << 16
              | (f.ftw & 0xFFL) << 32
              | (pending ? f.fop << 48 : 0));
      c.mem.storeQword(va + 8, pending ? f.fip : 0);
      c.mem.storeQword(va + 16, pending ? f.fdp : 0);
      c.mem.storeQword(va + 24, f.mxcsr & 0xFFFFFFFFL | (long) MXCSR_MASK << 32);
      int top = f.fsw >> 11 & 7;
      for (int n = 0; n < 8; n++) {
        c.mem.storeQword(va + 32 + 16 * n, f.significand[top + n & 7]);
        c.mem.storeQword(va + 40 + 16 * n, f.signExponent[top + n & 7] & 0xFFFFL);
      }
      for (int n = 0; n < 32; n++) {
        c.mem.storeQword(va + 160 + 8 * n, f.xmm[n]);
      }
    }

    private static void restore(Cpu c, FpuState f, long va) {
      int mxcsr = (int) c.mem.loadDword(va + 24);
      if ((mxcsr & ~MXCSR_MASK) != 0) {
        throw c.raise(GuestFault.GP);
      }
      long head = c.mem.loadQword(va);
      f.fcw = (int) head & 0x1F7F | 0x40;
      f.fsw = (int) (head >>> 16) & 0xFFFF;
      f.ftw = (int) (head >>> 32) & 0xFF;
      if ((f.fsw & ES) != 0) {
        f.fop = head >>> 48 & 0x7FF;
        f.fip = c.mem.loadQword(va + 8);
        f.fdp = c.mem.loadQword(va + 16);
      }
      f.mxcsr = mxcsr;
      int top = f.fsw >> 11 & 7;
      for (int n = 0; n < 8; n++) {
        f.significand[top + n & 7] = c.mem.loadQword(va + 32 + 16 * n);
        f.signExponent[top + n & 7] = (int) c.mem.loadWord(va + 40 + 16 * n);
      }
      for (int n = 0; n < 32; n++) {
        f.xmm[n] = c.mem.loadQword(va + 160 + 8 * n);
      }
    }
  }

  /** LDMXCSR and STMXCSR. */
  static final class ControlAndStatus extends Op {
    private final Address address;
    private final boolean load;

    ControlAndStatus(Insn insn) {
      super(insn);
      address = new Address(insn);
      load = insn.digit() == 2;
    }

    @Override
    public void execute(Cpu c) {
      SseOps.requireSse(c);
      long va = address.of(c);
      if (load) {
        int value = (int) c.mem.loadDword(va);
        if ((value & ~MXCSR_MASK) != 0) {
          throw c.raise(GuestFault.GP);
        }
        c.state.fpu.mxcsr = value;
      } else {
        c.mem.storeDword(va, c.state.fpu.mxcsr);
      }
    }
  }
}
