package dev.domus.kernel.event;

import dev.domus.kernel.mmu.FrameReferences;
import dev.domus.kernel.trace.ring.Tracer;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * What event channels of one domain need to know of the machine and of the other domains.
 * Thread-safe.
 */
public interface EventDomains {
  /** The event channels of a domain, or nothing if there is no such domain. */
  Optional<EventChannels> events(int domid);

  /**
   * Says whether the caller may change the event channels of the target; every domain may change
   * its own.
   */
  boolean mayControl(int callerDomid, int targetDomid);

  /** All machine memory, indexed by machine address. */
  MemorySegment memory();

  /** References on the pages that guests give for the FIFO ABI. */
  FrameReferences frameReferences();

  /** The trace of the machine. */
  Tracer tracer();
}
