package dev.domus.sched.simulator.report;

import dev.domus.sched.simulator.report.Comparison.Row;
import dev.domus.sched.simulator.report.Comparison.Section;
import java.io.PrintWriter;
import java.util.List;

/** The comparison as a table for a terminal. */
public final class TextReport {
  private TextReport() {}

  /** Prints it. */
  public static void print(Comparison comparison, PrintWriter out) {
    List<Section> sections = comparison.sections();
    List<String> labels = comparison.labels();
    int first = 0;
    int[] widths = labels.stream().mapToInt(String::length).toArray();
    for (Section section : sections) {
      for (Row row : section.rows()) {
        first = Math.max(first, row.label().length());
        for (int i = 0; i < widths.length; i++) {
          widths[i] = Math.max(widths[i], row.cells().get(i).length());
        }
      }
    }
    out.println(comparison.headline());
    for (Section section : sections) {
      out.println();
      String note = section.note().isEmpty() ? "" : " (" + section.note() + ")";
      out.println(section.heading() + note);
      line(out, first, widths, "", labels);
      for (Row row : section.rows()) {
        line(out, first, widths, row.label(), row.cells());
      }
    }
    List<String> faults = comparison.faults();
    if (!faults.isEmpty()) {
      out.println();
      faults.forEach(out::println);
    }
    out.flush();
  }

  private static void line(
      PrintWriter out, int first, int[] widths, String label, List<String> cells) {
    StringBuilder line = new StringBuilder("  ").append(label).repeat(' ', first - label.length());
    for (int i = 0; i < widths.length; i++) {
      line.repeat(' ', widths[i] - cells.get(i).length() + 2).append(cells.get(i));
    }
    out.println(line.toString().stripTrailing());
  }
}
