package dev.domus.engine.jvm.memory;

/**
 * How an instruction that cannot complete leaves the interpreter: the guest's own exception, or a
 * request to stop before the instruction.
 *
 * <p>There is one object a vCPU, thrown again and again; it has no stack trace and allocates
 * nothing. Whoever throws it has changed no architectural state other than completed iterations of
 * a repeated string instruction; the loop that catches it knows which instruction was running and
 * so what RIP is.
 */
@SuppressWarnings("serial") // never serialized: it does not leave the engine
public final class GuestFault extends RuntimeException {
  /** Vector of an exception (Intel SDM vol. 3, 6.3.1). */
  public static final int DE = 0,
      DB = 1,
      BP = 3,
      OF = 4,
      UD = 6,
      NM = 7,
      NP = 11,
      SS = 12,
      GP = 13,
      PF = 14,
      MF = 16,
      AC = 17,
      XM = 19;

  /**
   * Pseudo vector: a non-canonical memory operand, #SS(0) or #GP(0) depending on how the operand is
   * addressed.
   */
  public static final int NON_CANONICAL = -1;

  /** Pseudo vector: no exception, but stop here (budget, kick) with RIP at the instruction. */
  public static final int STOP = -2;

  /** The vector or pseudo vector. */
  public int vector;

  /** Error code, 0 for vectors without one. */
  public int errorCode;

  /** Linear address of a page fault. */
  public long address;

  /** Makes the one object of a vCPU. */
  public GuestFault() {
    super(null, null, false, false);
  }

  /** Fills the object in and returns it, to be thrown. */
  public GuestFault of(int vector, int errorCode) {
    this.vector = vector;
    this.errorCode = errorCode;
    this.address = 0;
    return this;
  }

  /** As {@link #of} for #PF. */
  public GuestFault pageFault(long va, int errorCode) {
    this.vector = PF;
    this.errorCode = errorCode;
    this.address = va;
    return this;
  }
}
