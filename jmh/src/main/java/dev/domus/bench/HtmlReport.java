package dev.domus.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** One page about a run that refers to nothing outside itself. */
final class HtmlReport {
  private static final String PAGES = "pages";
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'").withZone(ZoneOffset.UTC);
  private static final String STYLE =
      """
      body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; max-width: 1100px; margin: 2em auto; padding: 0 1em }
      h1 { font-size: 1.6em } h2 { margin-top: 2.2em; border-bottom: 1px solid #ddd }
      table { border-collapse: collapse; font-size: 13px } th, td { padding: 3px 9px; text-align: right }
      th { border-bottom: 2px solid #888 } tr:nth-child(even) td { background: #f6f8fa }
      td:nth-child(-n+2), th:nth-child(-n+2) { text-align: left }
      svg text { font: 11px system-ui, sans-serif; fill: #333 } .note { color: #555; font-size: 13px }
      .slower { color: #b91c1c; font-weight: 600 } .faster { color: #15803d; font-weight: 600 }
      """;

  private final RunFile run;
  private final Optional<Comparison> comparison;
  private final Map<String, Sample> samples;
  private final StringBuilder html = new StringBuilder();

  HtmlReport(RunFile run, Optional<Comparison> comparison) {
    this.run = run;
    this.comparison = comparison;
    samples = run.byKey();
  }

  /** Text as it stands in a page. */
  static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  /** Writes the page. */
  void write(Path file) throws IOException {
    html.append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.append("<title>Domus: memory-mapping paths</title><style>").append(STYLE);
    html.append("</style></head><body>\n<h1>Memory-mapping paths</h1>\n");
    machine();
    table();
    comparison.ifPresent(this::changes);
    byPath().forEach(this::path);
    html.append("</body></html>\n");
    Files.writeString(file, html);
  }

  private void machine() {
    MachineInfo machine = run.machine();
    paragraph(
        "%s · %d CPUs · %,d MiB · %s · %s · huge pages of shared memory: %s · load %s"
            .formatted(
                machine.processor(),
                machine.cpus(),
                machine.memoryMib(),
                machine.kernel(),
                machine.jvm(),
                machine.hugePages(),
                Tables.number(machine.load())));
    paragraph("Measured %s, sources %s.".formatted(TIME.format(run.began()), run.revision()));
    if (run.quick()) {
      paragraph("A quick run: one short round. Its figures are to look at, not to cite.");
    }
    html.append(
        """
        <p class="note">Nanoseconds an operation: the median of all iterations, and between what a tenth and nine tenths
        of them lie. The floor is what cannot be spared on the path, measured next to it in the same run; the ratio to it, with its
        95 % confidence interval, is what can be compared between machines, and the absolute figures cannot. B/op is what an
        operation allocates on the Java heap.</p>
        """);
    run.failures().forEach(failure -> paragraph("No result: " + failure));
  }

  private void paragraph(String text) {
    html.append("<p>").append(escape(text)).append("</p>\n");
  }

  private void table() {
    row(
        "th",
        List.of(
            "path",
            "benchmark",
            "ns/op",
            "p10",
            "p90",
            "floor",
            "floor ns",
            "ratio",
            "95 %",
            "B/op"),
        "<table>");
    for (RunFile.Subject subject : run.subjects()) {
      Sample sample = samples.get(subject.trial().key());
      Sample floor = samples.get(subject.floor().key());
      if (sample == null || floor == null) {
        continue;
      }
      Ratio ratio = Ratio.of(sample.arrays(), floor.arrays());
      row(
          "td",
          List.of(
              subject.path(),
              subject.trial().label(),
              Tables.number(sample.median()),
              Tables.number(sample.quantile(0.1)),
              Tables.number(sample.quantile(0.9)),
              subject.floor().label(),
              Tables.number(floor.median()),
              Tables.number(ratio.value()),
              Tables.number(ratio.low()) + "–" + Tables.number(ratio.high()),
              Tables.bytes(sample.bytesPerOperation())),
          "");
    }
    html.append("</table>\n");
  }

  private void row(String cell, List<String> cells, String before) {
    html.append(before).append("<tr>");
    cells.forEach(text ->
        html.append('<')
            .append(cell)
            .append('>')
            .append(escape(text))
            .append("</")
            .append(cell)
            .append('>'));
    html.append("</tr>\n");
  }

  private void changes(Comparison changes) {
    html.append("<h2>What has changed</h2>\n");
    row(
        "th",
        List.of(
            "path",
            "benchmark",
            "before",
            "after",
            "ratio",
            "95 %",
            "relative to floor",
            "verdict"),
        "<table>");
    for (Comparison.Change change : changes.changes()) {
      html.append("<tr class=\"").append(change.verdict().split(" ")[0]).append("\">");
      for (String text :
          List.of(
              change.subject().path(),
              change.subject().trial().label(),
              Tables.number(change.before()),
              Tables.number(change.after()),
              Tables.number(change.ratio().value()),
              Tables.number(change.ratio().low()) + "–" + Tables.number(change.ratio().high()),
              Tables.number(change.toFloor()),
              change.verdict())) {
        html.append("<td>").append(escape(text)).append("</td>");
      }
      html.append("</tr>\n");
    }
    html.append("</table>\n");
    if (!changes.onlyInOne().isEmpty()) {
      paragraph("Only in one of the runs: " + String.join("; ", changes.onlyInOne()));
    }
  }

  private Map<String, List<RunFile.Subject>> byPath() {
    Map<String, List<RunFile.Subject>> paths = new LinkedHashMap<>();
    for (RunFile.Subject subject : run.subjects()) {
      if (samples.containsKey(subject.trial().key())) {
        paths.computeIfAbsent(subject.path(), path -> new ArrayList<>()).add(subject);
      }
    }
    return paths;
  }

  private void path(String name, List<RunFile.Subject> subjects) {
    html.append("<h2>").append(escape(name)).append("</h2>\n<ul>\n");
    Map<String, String> explained = new LinkedHashMap<>();
    subjects.forEach(subject ->
        explained.putIfAbsent(Catalogue.shortName(subject.trial().benchmark()), subject.what()));
    explained.forEach((benchmark, what) ->
        html.append("<li><code>%s</code>: %s</li>\n".formatted(escape(benchmark), escape(what))));
    html.append("</ul>\n");
    List<LogPlot.Line> lines = lines(subjects);
    if (!lines.isEmpty()) {
      html.append(LogPlot.curve(lines, "pages an operation")).append('\n');
    }
    html.append(LogPlot.distribution(rows(subjects))).append('\n');
  }

  /** Benchmarks and floors that were measured with several numbers of pages. */
  private List<LogPlot.Line> lines(List<RunFile.Subject> subjects) {
    Map<String, TreeMap<Double, Double>> points = new LinkedHashMap<>();
    for (RunFile.Subject subject : subjects) {
      for (Trial trial : List.of(subject.trial(), subject.floor())) {
        String pages = trial.parameters().get(PAGES);
        Sample sample = samples.get(trial.key());
        if (pages != null && sample != null) {
          String label = (trial.equals(subject.floor()) ? "floor: " : "") + withoutPages(trial);
          points
              .computeIfAbsent(label, l -> new TreeMap<>())
              .put(Double.parseDouble(pages), sample.median());
        }
      }
    }
    List<LogPlot.Line> lines = new ArrayList<>();
    points.forEach((label, values) -> {
      if (values.size() > 1) {
        lines.add(
            new LogPlot.Line(
                label,
                values.keySet().stream().mapToDouble(Double::doubleValue).toArray(),
                values.values().stream().mapToDouble(Double::doubleValue).toArray(),
                label.startsWith("floor: ")));
      }
    });
    return lines;
  }

  private static String withoutPages(Trial trial) {
    Map<String, String> rest = new TreeMap<>(trial.parameters());
    rest.remove(PAGES);
    return new Trial(trial.benchmark(), trial.threads(), rest).label();
  }

  private List<LogPlot.Row> rows(List<RunFile.Subject> subjects) {
    Map<String, LogPlot.Row> rows = new LinkedHashMap<>();
    for (RunFile.Subject subject : subjects) {
      Sample floor = samples.get(subject.floor().key());
      if (floor != null) {
        rows.putIfAbsent(
            subject.floor().key(), new LogPlot.Row(subject.floor().label(), floor.sorted(), true));
      }
      Sample sample = samples.get(subject.trial().key());
      rows.put(
          subject.trial().key(), new LogPlot.Row(subject.trial().label(), sample.sorted(), false));
    }
    return List.copyOf(rows.values());
  }
}
