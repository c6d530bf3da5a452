package dev.domus.toolstack.top;

import dev.domus.kernel.control.CallCount;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.service.HypercallException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;

/** Where a {@link TopView} has its figures from. */
@FunctionalInterface
public interface TopSource {
  /** The counters as they are now. */
  TopSample sample();

  /**
   * The machine of this process.
   *
   * @param names of domains
   */
  static TopSource of(Control control, IntFunction<String> names) {
    return () -> {
      List<TopSample.Domain> domains = new ArrayList<>();
      for (DomainInfo info : control.domains()) {
        try {
          domains.add(domain(info, names.apply(info.domid()), control));
        } catch (HypercallException e) {
          // It has been destroyed since it was listed.
        }
      }
      return new TopSample(System.nanoTime(), domains);
    };
  }

  private static TopSample.Domain domain(DomainInfo info, String name, Control control) {
    return new TopSample.Domain(
        info.domid(),
        name,
        info.state().name().toLowerCase(Locale.ROOT),
        info.onlineVcpus(),
        info.pages(),
        info.cpuNanos(),
        info.retired(),
        control.hypercallCounts(info.domid()).stream().mapToLong(CallCount::calls).sum());
  }
}
