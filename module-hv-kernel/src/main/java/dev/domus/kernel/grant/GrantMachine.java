package dev.domus.kernel.grant;

import dev.domus.kernel.mmu.FrameReferences;
import dev.domus.kernel.mmu.TransferableFrames;
import dev.domus.memory.CodeFrames;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * What the grant table of one domain needs to know of the machine and of the other domains.
 * Thread-safe.
 */
public interface GrantMachine {
  /** The grant table of a domain, or nothing if there is no such domain. */
  Optional<GrantTable> grants(int domid);

  /**
   * Says whether the caller may set up and query the target's grant table; every domain may its
   * own.
   */
  boolean mayControl(int callerDomid, int targetDomid);

  /** All machine memory, indexed by machine address. */
  MemorySegment memory();

  /** Told of frames that copies have written. */
  CodeFrames codeFrames();

  /** References on granted frames. */
  FrameReferences frameReferences();

  /** The domain's own frames, to be given away and received. */
  TransferableFrames frames();

  /**
   * The frame that a number stands for where the domain names one of its own: in its grant table,
   * or in a copy. A translated domain names guest frames, any other machine frames.
   *
   * @param number any number
   * @param writable whether it is to be written
   * @return any number at all, also of a frame that is not the domain's; negative if the domain has
   *     nothing there
   */
  default long frame(long number, boolean writable) {
    return number;
  }

  /** How the domain names a frame that it has; negative if it cannot. */
  default long number(long mfn) {
    return mfn;
  }

  /** Says that somebody has written what a number of the domain's stands for. */
  default void written(long number) {}

  /**
   * Lets the domain's devices reach a frame that was granted to the domain.
   *
   * @return false, and nothing changed, if there is no memory for it
   */
  default boolean openToDevices(long mfn, boolean writable) {
    return true;
  }

  /** Takes {@link #openToDevices} back; no access is under way when it returns. */
  default void withdrawFromDevices(long mfn, boolean writable) {}

  /**
   * Allocates a zeroed frame that the hypervisor owns and the domain may map for writing.
   *
   * @return the frame, or −1 if memory ran out
   */
  long allocateSpecial(int domid);

  /** Says whether anybody maps a frame of {@link #allocateSpecial} at this moment. */
  boolean isSpecialMapped(long mfn);

  /**
   * Gives back a frame of {@link #allocateSpecial}. It is freed when no page table maps it any
   * more.
   */
  void freeSpecial(long mfn);
}
