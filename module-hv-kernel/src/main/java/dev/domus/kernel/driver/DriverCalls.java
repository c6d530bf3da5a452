package dev.domus.kernel.driver;

import dev.domus.kernel.pci.PciFunction;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;

/** Hypercalls of the domain whose driver it is. Errors are {@code HypercallException}s. */
public interface DriverCalls {
  /** PHYSDEVOP_map_pirq and EVTCHNOP_bind_pirq; closing the port undoes both. */
  EventPort bindInterrupt(PciFunction function, int vector, Runnable handler);

  /** Keeps what is mapped by grants mapped. */
  Registered hold(GrantMapping mapping);

  /** Populates free numbers of the domain's memory. */
  void populate(long gfn, long count);

  /** Gives pages back. */
  void giveBack(long gfn, long count);
}
