package dev.domus.kernel.engine;

/**
 * What a vCPU offers to the engine that runs it. All calls are made from inside {@link
 * VcpuEngine#run}.
 */
public interface EngineVcpu {
  /** The registers; the same object for the life of the vCPU. */
  CpuState state();

  /** What lies beyond RAM; the same object for the life of the vCPU. */
  IoMemory io();

  /** A name for messages and threads, such as {@code d3v0}. */
  String label();

  /**
   * Reads a segment descriptor from the GDT or LDT that the selector names.
   *
   * @param selector any 16-bit selector, null selectors excepted
   * @return the 8 bytes of the descriptor, or 0 if the selector lies beyond its table or the table
   *     page is not there (a descriptor of all zeros is not present, so both mean #GP(selector) or
   *     #NP to the guest)
   */
  long descriptor(int selector);

  /**
   * Answers CPUID with the guest's feature policy, writing EAX, EBX, ECX and EDX (zero-extended) to
   * the vCPU's registers.
   */
  void cpuid(int leaf, int subleaf);

  /** The time-stamp counter as the guest sees it, at {@link EngineMachine#tscHz}. */
  long tsc();

  /**
   * Announces that the engine is about to cache instructions decoded from a frame, after it has
   * marked the frame with {@link dev.domus.memory.CodeFrames#watch}. The kernel makes every other
   * vCPU that may write the frame drop the translations by which a store could pass unnoticed; it
   * returns when they have. Another vCPU may have asked the same of this one meanwhile: {@link
   * VcpuEngine#invalidate} may be called from inside this call, and the address from which the
   * engine fetches has to be translated again afterwards.
   */
  void codeWatched(long mfn);
}
