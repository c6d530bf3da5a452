package dev.domus.kernel.event;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.service.PortStatus;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongConsumer;

/**
 * What holds between the ports of all domains while nobody runs: a channel has two ends that name
 * each other, a virtual interrupt has one port, and ports belong to vCPUs that exist.
 */
public final class PortScan {
  private PortScan() {}

  /** Throws an AssertionError unless the domains' ports fit together. */
  public static void scan(List<EventChannels> domains, EventDomains machine, int vcpus) {
    for (EventChannels domain : domains) {
      Set<Long> interrupts = new HashSet<>();
      for (int port = 0; ; port++) {
        Optional<PortStatus> found = domain.status(port);
        if (found.isEmpty()) {
          break;
        }
        PortStatus status = found.get();
        String where = "domain=%d port=%d %s".formatted(domain.domid(), port, status);
        assertTrue(status.vcpu() >= 0 && status.vcpu() < vcpus, where);
        switch (status.state()) {
          case PortStatus.INTERDOMAIN -> interdomain(domain, port, status, machine, where);
          case PortStatus.VIRQ -> {
            boolean global = Virq.isGlobal(status.detail());
            long key = (long) status.detail() << 32 | (global ? 0 : status.vcpu());
            assertTrue(interrupts.add(key), where);
          }
          default -> {}
        }
      }
    }
  }

  /** Names every frame of a domain's that delivery of its events holds, as often as it is held. */
  public static void heldFrames(EventChannels domain, LongConsumer taker) {
    domain.forEachFrame(taker);
  }

  private static void interdomain(
      EventChannels domain, int port, PortStatus status, EventDomains machine, String where) {
    EventChannels remote =
        status.remoteDomid() == domain.domid()
            ? domain
            : machine.events(status.remoteDomid()).orElseThrow(() -> new AssertionError(where));
    PortStatus far = remote.status(status.detail()).orElseThrow(() -> new AssertionError(where));
    assertEquals(PortStatus.INTERDOMAIN, far.state(), where + " far=" + far);
    assertEquals(domain.domid(), far.remoteDomid(), where + " far=" + far);
    assertEquals(port, far.detail(), where + " far=" + far);
  }
}
