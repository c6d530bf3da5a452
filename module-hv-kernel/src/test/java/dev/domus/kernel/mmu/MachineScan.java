package dev.domus.kernel.mmu;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.event.PortScan;
import dev.domus.kernel.grant.MappedGrants;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * {@link InvariantScanner} for a whole machine with real domains. No vCPU may run while it scans,
 * and nobody may hold a foreign window.
 */
public final class MachineScan {
  private MachineScan() {}

  /** A reference that a window holds. */
  public record Held(long mfn, boolean writable) {}

  /**
   * Throws an AssertionError if the frame table is not what the domains' tables make it. A
   * privileged domain may have mapped anything of anybody's, and let others map what is its own.
   */
  public static void scan(Hypervisor hypervisor) {
    scan(hypervisor, Set.of());
  }

  /**
   * The same.
   *
   * @param oncePrivileged domains that may be gone and have been privileged
   */
  public static void scan(Hypervisor hypervisor, Set<Integer> oncePrivileged) {
    InvariantScanner scanner = scanner(hypervisor);
    oncePrivileged.forEach(scanner::oncePrivileged);
    for (Domain domain : hypervisor.domains()) {
      if (domain.spec().privileged()) {
        scanner.privileged(domain.domid());
      }
    }
    scanner.scan();
  }

  /**
   * The same, where it is known exactly what privileged domains have done.
   *
   * @param mapped frames that a domain, by its id, may have mapped without owning them or having
   *     them granted
   * @param io frames beyond memory that it may have mapped
   * @param windows what windows hold
   */
  public static void scan(
      Hypervisor hypervisor,
      Map<Integer, Set<Long>> mapped,
      Map<Integer, Set<Long>> io,
      List<Held> windows) {
    InvariantScanner scanner = scanner(hypervisor);
    mapped.forEach((domid, frames) -> frames.forEach(mfn -> scanner.grant(domid, mfn)));
    io.forEach((domid, frames) -> frames.forEach(mfn -> scanner.permitIo(domid, mfn)));
    windows.forEach(w -> scanner.holders.add(new InvariantScanner.Holder(w.mfn, w.writable)));
    scanner.scan();
  }

  private static InvariantScanner scanner(Hypervisor hypervisor) {
    List<Domain> domains = new ArrayList<>(hypervisor.domains());
    domains.addAll(hypervisor.serviceDomains());
    InvariantScanner scanner =
        new InvariantScanner(
            hypervisor.machineFrames(), () -> domains.stream().map(MachineScan::space).toList());
    for (Domain domain : domains) {
      MappedGrants.forEach(
          domain.grants(),
          (mfn, host, device, writable) -> {
            if (host && domain.physmap().isPresent()) {
              scanner.holders.add(new InvariantScanner.Holder(mfn, writable));
            } else if (host) {
              scanner.grant(domain.domid(), mfn);
            }
            if (device) {
              scanner.holders.add(new InvariantScanner.Holder(mfn, writable));
            }
          });
      domain
          .physmap()
          .ifPresent(physmap ->
              physmap.forEachHeld((mfn, writable) ->
                  scanner.holders.add(new InvariantScanner.Holder(mfn, writable))));
      for (int i = 0; i < domain.vcpus(); i++) {
        if (domain.vcpu(i).vcpuInfoRegistered()) {
          long page = domain.vcpu(i).vcpuInfo() >>> 12;
          scanner.holders.add(new InvariantScanner.Holder(page, true));
        }
      }
      PortScan.heldFrames(
          domain.events(), mfn -> scanner.holders.add(new InvariantScanner.Holder(mfn, true)));
    }
    return scanner;
  }

  private static InvariantScanner.Space space(Domain domain) {
    AddressSpaces[] vcpus = new AddressSpaces[domain.vcpus()];
    for (int i = 0; i < vcpus.length; i++) {
      vcpus[i] = domain.vcpu(i);
    }
    return new InvariantScanner.Space(domain.domid(), domain.mmu(), vcpus);
  }
}
