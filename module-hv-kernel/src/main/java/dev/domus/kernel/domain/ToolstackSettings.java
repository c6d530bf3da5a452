package dev.domus.kernel.domain;

import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** What a domain's toolstack has set that only answers and notifications depend on. Thread-safe. */
public final class ToolstackSettings {
  private volatile int suspendPort;
  private volatile Optional<MemorySegment> memoryMap = Optional.empty();

  ToolstackSettings() {}

  /**
   * Chooses the port that tells of it when the domain suspends, instead of VIRQ_DOM_EXC; 0 for
   * none.
   */
  public void setSuspendPort(int port) {
    suspendPort = port;
  }

  /** The port that tells when the domain suspends, or 0. */
  public int suspendPort() {
    return suspendPort;
  }

  /** What the guest is told of its memory, as memory_op has it, if that was set. */
  public Optional<MemorySegment> memoryMap() {
    return memoryMap;
  }

  /** Sets what the guest is told of its memory; not changed any more. */
  public void setMemoryMap(MemorySegment entries) {
    memoryMap = Optional.of(entries);
  }
}
