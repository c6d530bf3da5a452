package dev.domus.kernel.engine;

/**
 * x87 and SSE registers, in a form both cheap to compute with and convertible to the FXSAVE image
 * (Intel SDM vol. 1, 10.5.1). Power-on values are those that a PV vCPU starts with (xen-pv-abi.md,
 * 2.5): FCW 0x37F, MXCSR 0x1F80, all x87 registers empty.
 */
public final class FpuState {
  /**
   * XMM0 to XMM15: the low quadword of register n at {@code 2n}, the high one at {@code 2n + 1}.
   */
  public final long[] xmm = new long[32];

  /** SSE control and status. */
  public int mxcsr = 0x1F80;

  /** Significands of the physical x87 registers R0 to R7 (not relative to TOP); also MM0 to MM7. */
  public final long[] significand = new long[8];

  /** Sign and exponent (16 bits) of the physical x87 registers R0 to R7. */
  public final int[] signExponent = new int[8];

  /** x87 control word. */
  public int fcw = 0x37F;

  /** x87 status word; TOP is in bits 11 to 13. */
  public int fsw;

  /** x87 tag word, abridged as in FXSAVE: bit n is set if physical register n is not empty. */
  public int ftw;

  /** Last x87 opcode, instruction pointer and data pointer. */
  public long fop, fip, fdp;

  /** Takes over all registers of another. */
  public void copy(FpuState from) {
    System.arraycopy(from.xmm, 0, xmm, 0, xmm.length);
    System.arraycopy(from.significand, 0, significand, 0, significand.length);
    System.arraycopy(from.signExponent, 0, signExponent, 0, signExponent.length);
    mxcsr = from.mxcsr;
    fcw = from.fcw;
    fsw = from.fsw;
    ftw = from.ftw;
    fop = from.fop;
    fip = from.fip;
    fdp = from.fdp;
  }
}
