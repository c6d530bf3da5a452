package dev.domus.kernel.event;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.Virq;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * The virtual interrupts of the machine: each goes to one domain, which is domain 0 unless another
 * was made its handler (domctl set_virq_handler), and there to whatever port it is bound to, if to
 * any. A handler that dies leaves its interrupts to domain 0.
 *
 * <p>Thread-safe; raising one waits for nobody.
 */
public final class GlobalVirqs {
  private static final int DOMAIN_0 = 0;

  private final EventDomains domains;
  private final AtomicIntegerArray handlers = new AtomicIntegerArray(Virq.COUNT);

  /** Makes them, all domain 0's. */
  public GlobalVirqs(EventDomains domains) {
    this.domains = domains;
  }

  /**
   * Makes a domain the handler of an interrupt.
   *
   * @return 0, or −EINVAL if there is no such interrupt or each domain has its own
   */
  public int setHandler(int virq, int domid) {
    if (!Virq.exists(virq) || !Virq.isGlobal(virq)) {
      return -Errno.EINVAL;
    }
    handlers.set(virq, domid);
    return 0;
  }

  /** Id of the domain that handles an interrupt. */
  public int handler(int virq) {
    return handlers.get(virq);
  }

  /** A domain handles nothing any more. */
  public void forget(int domid) {
    for (int virq = 0; virq < Virq.COUNT; virq++) {
      handlers.compareAndSet(virq, domid, DOMAIN_0);
    }
  }

  /** Raises an interrupt at its handler. */
  public void raise(int virq) {
    Optional<EventChannels> handler = domains.events(handler(virq));
    if (handler.isEmpty()) {
      handler = domains.events(DOMAIN_0);
    }
    handler.ifPresent(events -> events.raiseVirq(virq, 0));
  }
}
