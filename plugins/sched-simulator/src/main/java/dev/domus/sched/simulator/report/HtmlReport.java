package dev.domus.sched.simulator.report;

import dev.domus.sched.simulator.engine.HostClock;
import dev.domus.sched.simulator.report.Comparison.Row;
import dev.domus.sched.simulator.report.Comparison.Section;
import dev.domus.sched.simulator.scenario.Outcome;
import dev.domus.sched.simulator.scenario.WorkloadResult;
import dev.domus.sched.simulator.workload.Durations;
import dev.domus.sched.simulator.workload.Workload;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.HdrHistogram.Histogram;

/**
 * The comparison as one page: plots as inline SVG, and the tables. It refers to nothing outside
 * itself, runs no script, and is well-formed XML, so that it can be kept, mailed and parsed.
 */
public final class HtmlReport {
  /** A distribution's tail is shown up to the value that one of so many powers of ten exceeds. */
  private static final int MOST_NINES = 5;

  private static final int POINTS_PER_NINE = 40;

  /** The legend's entry for {@link Plot#level}. */
  private static final String DUE =
      "<span><svg class=\"key\" viewBox=\"0 0 34 14\"><line class=\"due\" x1=\"0\" x2=\"34\" y1=\"7\" y2=\"7\"/></svg> due by weight</span>";

  private final Comparison comparison;
  private final List<Outcome> outcomes;
  private final StringBuilder page = new StringBuilder();

  private HtmlReport(Comparison comparison) {
    this.comparison = comparison;
    this.outcomes = comparison.outcomes();
  }

  /** The page's text. */
  public static String of(Comparison comparison) {
    return new HtmlReport(comparison).write();
  }

  private String write() {
    String title = "Schedulers compared: " + String.join(", ", comparison.labels());
    page.append(
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <title>%s</title>
        <style>
        %s</style>
        </head>
        <body>
        <h1>%s</h1>
        <p class="headline">%s.</p>
        """
            .formatted(
                Html.escape(title),
                Stylesheet.TEXT,
                Html.escape(title),
                Html.escape(comparison.headline())));
    faults();
    workloads();
    shares();
    latencies();
    deadlines();
    migrations();
    if (comparison.withHostTime()) {
      cost();
    }
    tables();
    page.append("</body>\n</html>\n");
    return page.toString();
  }

  private void faults() {
    List<String> faults = comparison.faults();
    if (!faults.isEmpty()) {
      page.append("<div class=\"fault\"><h2>Faults</h2><pre>")
          .append(Html.escape(String.join("\n", faults)))
          .append("</pre></div>\n");
    }
  }

  private void workloads() {
    page.append("<ul class=\"workloads\">\n");
    for (Workload workload : comparison.scenario().workloads()) {
      page.append(
          "<li><b>%s</b>: %s</li>\n"
              .formatted(Html.escape(workload.name()), Html.escape(Comparison.describe(workload))));
    }
    page.append("</ul>\n");
  }

  // ------------------------------------------------------------------ plots

  private void figure(String heading, String text, String legend, String svg) {
    page.append("<figure>\n<h2>%s</h2>\n".formatted(Html.escape(heading)));
    page.append(legend);
    page.append(svg);
    page.append("<figcaption>%s</figcaption>\n</figure>\n".formatted(Html.escape(text)));
  }

  /**
   * What the series look like.
   *
   * @param more another entry, or empty
   */
  private String legend(String more) {
    StringBuilder legend = new StringBuilder("<div class=\"legend\">");
    for (int i = 0; i < outcomes.size(); i++) {
      if (outcomes.get(i).hasResults()) {
        legend.append(
            "<span><svg class=\"key\" viewBox=\"0 0 34 14\"><g class=\"mark s%d\"><line x1=\"0\" x2=\"34\" y1=\"7\" y2=\"7\"/>%s</g></svg> %s</span>"
                .formatted(
                    i % Plot.LOOKS,
                    Plot.shape(i, 17, 7),
                    Html.escape(outcomes.get(i).contender().label())));
      }
    }
    return legend.append(more).append("</div>\n").toString();
  }

  private void shares() {
    List<Integer> weights =
        comparison.scenario().workloads().stream()
            .filter(workload -> workload.behaviour().isHungry())
            .map(Workload::weight)
            .distinct()
            .sorted()
            .toList();
    if (weights.isEmpty() || outcomes.stream().noneMatch(Outcome::hasResults)) {
      return;
    }
    List<Scale.Tick> ticks =
        weights.stream().map(weight -> new Scale.Tick(weight, weight.toString())).toList();
    Scale x = new Scale.Named(weights.getFirst() / 1.5, weights.getLast() * 1.5, ticks);
    Scale y =
        Scale.Steps.around(
            hungry()
                .flatMapToDouble(
                    r -> DoubleStream.of(100 * r.leastShare(), 100 * r.mostShare(), 100 * due(r))));
    Plot plot = new Plot("Share against weight", x, "weight", y, "share of a pCPU");
    for (int i = 0; i < outcomes.size(); i++) {
      int shift = 20 * i - 10 * (outcomes.size() - 1);
      for (WorkloadResult result : outcomes.get(i).workloads()) {
        if (outcomes.get(i).hasResults() && result.dueShare().isPresent()) {
          plot.level(result.workload().weight(), 100 * due(result), shift);
          plot.point(
              i,
              result.workload().weight(),
              100 * result.meanShare(),
              100 * result.leastShare(),
              100 * result.mostShare(),
              shift,
              "%s, %s: %s (%s to %s), due %s"
                  .formatted(
                      outcomes.get(i).contender().label(),
                      result.workload().name(),
                      Comparison.percent(result.meanShare(), 2),
                      Comparison.percent(result.leastShare(), 2),
                      Comparison.percent(result.mostShare(), 2),
                      Comparison.percent(due(result), 2)));
        }
      }
    }
    figure(
        "Share against weight",
        "Workloads that compute without end. A point is the mean of a workload's vCPUs, the line through it goes from the least to the most that one of them got; the line across is what was due by weight, of what these workloads got together under that scheduler. Points of one weight are set side by side.",
        legend(DUE),
        plot.svg());
  }

  private Stream<WorkloadResult> hungry() {
    return outcomes.stream()
        .filter(Outcome::hasResults)
        .flatMap(outcome -> outcome.workloads().stream())
        .filter(result -> result.dueShare().isPresent());
  }

  private static double due(WorkloadResult result) {
    return result.dueShare().orElse(0);
  }

  private void latencies() {
    distribution(
        "Wake-up latency",
        "From a wake-up to the first instruction after it, all workloads. Each step upwards on the left is another nine: of a thousand wake-ups one is beyond the value at 99.9 %.",
        Outcome::wakeLatency);
    String open = "<details><summary>By workload, and response times</summary>\n";
    int before = page.append(open).length();
    for (int i = 0; i < comparison.scenario().workloads().size(); i++) {
      int index = i;
      Workload workload = comparison.scenario().workloads().get(i);
      distribution(
          "Wake-up latency of " + workload.name(),
          workload.behaviour().description() + ".",
          outcome -> outcome.workloads().get(index).measures().wakeLatency());
      if (workload.behaviour().hasResponse()) {
        distribution(
            "Response time of " + workload.name(),
            "From when work was wanted to when it was done, waiting included.",
            outcome -> outcome.workloads().get(index).measures().response());
      }
    }
    if (page.length() == before) {
      page.setLength(before - open.length()); // nobody ever slept
    } else {
      page.append("</details>\n");
    }
  }

  private void distribution(String heading, String text, Function<Outcome, Histogram> histogramOf) {
    List<Histogram> histograms =
        outcomes.stream()
            .map(o -> o.hasResults() ? histogramOf.apply(o) : new Histogram(2, 0))
            .toList();
    long most = histograms.stream().mapToLong(Histogram::getTotalCount).max().orElse(0);
    if (most == 0) {
      return;
    }
    int nines = Math.clamp((long) Math.ceil(Math.log10(most)), 1, MOST_NINES);
    Scale x =
        Scale.Decades.around(
            histograms.stream()
                .filter(h -> h.getTotalCount() > 0)
                .flatMapToDouble(h ->
                    DoubleStream.of(
                        Math.max(100, h.getValueAtPercentile(1)), Math.max(100, tail(h, nines)))));
    Plot plot =
        new Plot(heading, x, "time (logarithmic)", new Scale.Nines(nines), "part at most so long");
    for (int i = 0; i < histograms.size(); i++) {
      Histogram histogram = histograms.get(i);
      if (histogram.getTotalCount() > 0) {
        List<double[]> line = new ArrayList<>();
        double last = Math.min(nines, Math.log10(histogram.getTotalCount()));
        for (int n = 0; n <= last * POINTS_PER_NINE; n++) {
          double part = 1 - Math.pow(10, -(double) n / POINTS_PER_NINE);
          line.add(new double[] {histogram.getValueAtPercentile(100 * part), part});
        }
        plot.line("curve s" + i % Plot.LOOKS, line);
      }
    }
    figure(heading, text, legend(""), plot.svg());
  }

  private static double tail(Histogram histogram, int nines) {
    return histogram.getValueAtPercentile(100 * (1 - Math.pow(10, -nines)));
  }

  private void deadlines() {
    List<Bars.Bar> bars = new ArrayList<>();
    for (int w = 0; w < comparison.scenario().workloads().size(); w++) {
      for (int i = 0; i < outcomes.size(); i++) {
        if (outcomes.get(i).hasResults()) {
          WorkloadResult result = outcomes.get(i).workloads().get(w);
          long deadlines = result.measures().deadlines();
          if (deadlines > 0) {
            double part = result.measures().misses() / (double) deadlines;
            bars.add(
                bar(
                    result.workload().name(),
                    i,
                    part,
                    part == 0 ? "none" : Comparison.percent(part, 2)));
          }
        }
      }
    }
    if (!bars.isEmpty()) {
      figure(
          "Deadlines missed",
          "Part of the jobs that were not done when they were due.",
          "",
          Bars.svg("Deadlines missed", bars));
    }
  }

  private void migrations() {
    List<Bars.Bar> bars = new ArrayList<>();
    for (int i = 0; i < outcomes.size(); i++) {
      Outcome outcome = outcomes.get(i);
      if (outcome.hasResults()) {
        double perSecond =
            outcome.sum(m -> m.migrations())
                / (outcome.measuredNanos() / 1e9)
                / comparison.scenario().pcpus();
        bars.add(bar("", i, perSecond, String.format(Locale.ROOT, "%,.1f", perSecond)));
      }
    }
    if (!bars.isEmpty()) {
      figure(
          "Migrations per pCPU and second",
          "How often a vCPU was given another pCPU than the one it ran on last.",
          "",
          Bars.svg("Migrations per pCPU and second", bars));
    }
  }

  private void cost() {
    List<Bars.Bar> bars = new ArrayList<>();
    costs(bars, "pick", HostClock::pick);
    costs(bars, "put", HostClock::put);
    costs(bars, "wake", HostClock::wake);
    if (!bars.isEmpty()) {
      figure(
          "Cost of decisions on this host",
          "The bar is the median, the line goes to the 99th percentile. This is real time of the host that ran the simulation, with whatever else ran there: it is not part of what was simulated, and differs each time.",
          "",
          Bars.svg("Cost of decisions on this host", bars));
    }
  }

  private void costs(List<Bars.Bar> bars, String verb, Function<HostClock, Histogram> kind) {
    for (int i = 0; i < outcomes.size(); i++) {
      Histogram histogram = outcomes.get(i).host().map(kind).orElse(new Histogram(2, 0));
      if (histogram.getTotalCount() > 0) {
        double median = histogram.getValueAtPercentile(50);
        double p99 = histogram.getValueAtPercentile(99);
        bars.add(
            new Bars.Bar(
                verb,
                i,
                outcomes.get(i).contender().label(),
                median,
                p99,
                Durations.show(median) + ", " + Durations.show(p99)));
      }
    }
  }

  private Bars.Bar bar(String group, int series, double value, String text) {
    return new Bars.Bar(
        group, series, outcomes.get(series).contender().label(), value, Double.NaN, text);
  }

  // ------------------------------------------------------------------ tables

  private void tables() {
    page.append("<h2>All figures</h2>\n<div class=\"wide\"><table>\n");
    for (Section section : comparison.sections()) {
      page.append("<tbody><tr><th scope=\"col\">%s</th>".formatted(Html.escape(section.heading())));
      for (String label : comparison.labels()) {
        page.append("<th scope=\"col\">%s</th>".formatted(Html.escape(label)));
      }
      page.append("</tr>\n");
      for (Row row : section.rows()) {
        page.append("<tr><th scope=\"row\">%s</th>".formatted(Html.escape(row.label())));
        row.cells().forEach(cell -> page.append("<td>%s</td>".formatted(Html.escape(cell))));
        page.append("</tr>\n");
      }
      page.append("</tbody>\n");
    }
    page.append("</table></div>\n");
    page.append(
        "<p class=\"note\">Made by <code>domus sched simulate</code>. \"cost of decisions\" is real time of the host; all else is virtual time, and the same for the same seed.</p>\n");
  }
}
