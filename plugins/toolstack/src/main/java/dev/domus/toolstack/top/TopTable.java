package dev.domus.toolstack.top;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The lines of a view: what each domain did between two samples. CPU is in percent of one pCPU, so
 * a domain that keeps two busy has 200.
 */
final class TopTable {
  private static final double NANOS = 1e9;

  private TopTable() {}

  static List<String> lines(TopSample before, TopSample now) {
    Map<Integer, TopSample.Domain> old = new HashMap<>();
    before.domains().forEach(domain -> old.put(domain.domid(), domain));
    double seconds = Math.max(1, now.atNanos() - before.atNanos()) / NANOS;
    List<String> lines = new ArrayList<>();
    lines.add(
        String.format(
            "%-16s %5s %-9s %5s %7s %9s %8s %8s %11s",
            "NAME", "ID", "STATE", "VCPUS", "MEM(M)", "CPU(S)", "CPU(%)", "MIPS", "HYPERCALL/S"));
    for (TopSample.Domain d : now.domains()) {
      TopSample.Domain was = old.get(d.domid());
      long cpu = was == null ? 0 : d.cpuNanos() - was.cpuNanos();
      long retired = was == null ? 0 : d.retired() - was.retired();
      long calls = was == null ? 0 : d.hypercalls() - was.hypercalls();
      lines.add(
          String.format(
              Locale.ROOT,
              "%-16.16s %5d %-9s %5d %7.1f %9.1f %8.1f %8.1f %11.0f",
              d.name(),
              d.domid(),
              d.state(),
              d.vcpus(),
              d.pages() / 256.0,
              d.cpuNanos() / NANOS,
              100 * cpu / (seconds * NANOS),
              retired / seconds / 1e6,
              calls / seconds));
    }
    return lines;
  }
}
