package dev.domus.kernel.engine;

import dev.domus.memory.CodeFrames;
import java.lang.foreign.MemorySegment;

/** The machine as engines see it; one per process, handed to engines and to nobody else. */
public interface EngineMachine {
  /**
   * All machine memory: the byte at machine address {@code ma} is at offset {@code ma}. Lives as
   * long as the machine.
   */
  MemorySegment memory();

  /** Number of machine frames; every valid frame number is below it. */
  long frames();

  /** Which frames hold code that some engine has cached, and how often each was changed since. */
  CodeFrames codeFrames();

  /** Frequency of the guest-visible time-stamp counter in Hz. */
  long tscHz();
}
