package dev.domus.bench;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The tables that are printed on standard output. */
final class Tables {
  private Tables() {}

  /** A number with three digits that mean something. */
  static String number(double value) {
    if (Double.isNaN(value)) {
      return "-";
    }
    int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
    return String.format(Locale.ROOT, "%,." + digits + "f", value);
  }

  /** What was measured: a line a benchmark, by path. */
  static void print(RunFile run, PrintStream out) {
    Map<String, Sample> samples = run.byKey();
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("PATH", "BENCHMARK", "NS/OP", "P10", "P90", "FLOOR", "RATIO", "B/OP"));
    for (RunFile.Subject subject : run.subjects()) {
      Sample sample = samples.get(subject.trial().key());
      Sample floor = samples.get(subject.floor().key());
      if (sample == null) {
        continue;
      }
      rows.add(
          List.of(
              subject.path(),
              subject.trial().label(),
              number(sample.median()),
              number(sample.quantile(0.1)),
              number(sample.quantile(0.9)),
              floor == null ? "-" : number(floor.median()),
              floor == null ? "-" : number(sample.median() / floor.median()),
              bytes(sample.bytesPerOperation())));
    }
    print(rows, 2, out);
  }

  /** Bytes an operation; the harness's own share of a long operation is below a tenth. */
  static String bytes(double perOperation) {
    return Double.isNaN(perOperation)
        ? "-"
        : perOperation < 0.1 ? "0" : String.format(Locale.ROOT, "%,.1f", perOperation);
  }

  /** What has changed: a line a benchmark. */
  static void print(Comparison comparison, PrintStream out) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("BENCHMARK", "BEFORE", "AFTER", "RATIO", "95 %", "TO FLOOR", "VERDICT"));
    for (Comparison.Change change : comparison.changes()) {
      rows.add(
          List.of(
              change.subject().trial().label(),
              number(change.before()),
              number(change.after()),
              number(change.ratio().value()),
              number(change.ratio().low()) + " to " + number(change.ratio().high()),
              number(change.toFloor()),
              change.verdict()));
    }
    print(rows, 1, out);
    if (!comparison.onlyInOne().isEmpty()) {
      out.println("only in one of the runs: " + String.join("; ", comparison.onlyInOne()));
    }
  }

  private static void print(List<List<String>> rows, int leftAligned, PrintStream out) {
    int columns = rows.getFirst().size();
    int[] widths = new int[columns];
    for (List<String> row : rows) {
      for (int i = 0; i < columns; i++) {
        widths[i] = Math.max(widths[i], row.get(i).length());
      }
    }
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < columns; i++) {
        String blanks = " ".repeat(widths[i] - row.get(i).length());
        line.append(i < leftAligned ? row.get(i) + blanks : blanks + row.get(i)).append("  ");
      }
      out.println(line.toString().stripTrailing());
    }
  }
}
