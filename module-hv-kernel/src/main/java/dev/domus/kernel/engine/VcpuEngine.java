package dev.domus.kernel.engine;

/**
 * Runs the instructions of one vCPU.
 *
 * <p><b>Threads.</b> All methods but {@link #kick} are called by the pCPU thread that holds the
 * vCPU, never two at a time; a vCPU may move to another thread between two runs, with a
 * happens-before edge made by the kernel.
 *
 * <p><b>Translations.</b> An engine may cache what page walks gave, as a TLB with tags does:
 *
 * <ul>
 *   <li>A translation is used only while {@link CpuState#cr3} is what it was made under. The kernel
 *       writes a new value only between runs, several thousand times a second, so an engine does
 *       well to keep those of a few bases.
 *   <li>Nothing is remembered of entries that are not present, and before a page fault is reported
 *       the tables are walked again, so what gives rights needs no invalidation.
 *   <li>The kernel calls {@link #invalidate} before the vCPU is run again whenever a translation
 *       that it might use has become wrong. What is wrong under a base that the vCPU cannot go to
 *       without loading it may stay until it is loaded: an engine must not look at it.
 * </ul>
 *
 * <p><b>Isolation.</b> An engine reaches memory only through present, permitted page-table entries
 * under {@code cr3}; the kernel validated those. It touches nothing else of {@link
 * EngineMachine#memory}.
 */
public interface VcpuEngine extends AutoCloseable {
  /**
   * Runs until something happens that the kernel has to handle.
   *
   * @param budget how many instructions may retire, at least 1; an engine may overrun it by the
   *     length of a straight run of code (at most a few hundred instructions), and a repeated
   *     string instruction counts each iteration
   * @return why it stopped; the vCPU's {@link CpuState} is exact and {@link CpuState#retired} is up
   *     to date
   */
  Exit run(long budget);

  /**
   * Executes one instruction while another frame stands in for one page: so the kernel learns what
   * an instruction would do to a page that the guest may not write.
   *
   * <p>Reads and writes of the page go to the frame and need no permission, but have to be aligned
   * to their size or are page faults; fetches do not go there. A write anywhere else, be it a part
   * of one that leaves the page, is a page fault. Nothing of this is in any cached translation
   * afterwards. A repeated string instruction makes one iteration. Instruction breakpoints are
   * passed over, since they were looked at when the instruction was first tried; a kick stays for
   * the next {@link #run}.
   *
   * @param va any address in the page
   * @param mfn the frame; no other vCPU uses it
   * @return {@link Exit#BUDGET} if the instruction has completed, {@link Exit#EXCEPTION} with #DB
   *     if it has and its completion is a debug trap; anything else as from {@link #run}, and then
   *     it has not
   */
  Exit stepOver(long va, long mfn);

  /**
   * Makes the present or the next {@link #run} return {@link Exit#KICKED} soon (within
   * microseconds). Any thread; never blocks. Kicks are not counted: several before the engine
   * notices are one.
   */
  void kick();

  /**
   * Drops cached translations of this vCPU, those meant and any others that the engine likes.
   * Called on the thread that holds the vCPU, between two runs or from inside a call that the
   * engine has made to {@link EngineVcpu}; never by another thread.
   *
   * @param invalidation one of {@link Invalidation}'s
   */
  void invalidate(long invalidation);

  /**
   * Describes the instruction at an address, for a crash report: its bytes, and the opcode if the
   * engine knows no such instruction. Called between two runs; changes nothing but accessed bits.
   *
   * @param va linear address under the present {@link CpuState#cr3}
   * @return one line; says so if the bytes cannot be read
   */
  default String instructionAt(long va) {
    return "not described by this engine";
  }

  /** Releases what the engine holds for this vCPU. The vCPU will not be run again. */
  @Override
  void close();
}
