package dev.domus.toolstack.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.PrettyPrinter;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.util.DefaultPrettyPrinter;

/**
 * A table for people and for programs: the same rows as aligned text, or as a JSON array with one
 * object a row. Values are texts, numbers or booleans.
 */
final class Listing {
  private final List<String> columns;
  private final List<List<Object>> rows = new ArrayList<>();

  Listing(String... columns) {
    this.columns = List.of(columns);
  }

  /** Adds a row, in the order of the columns. */
  void add(Object... values) {
    if (values.length != columns.size()) {
      throw new IllegalArgumentException(
          "a row has as many values as there are columns: values=" + values.length);
    }
    rows.add(List.of(values));
  }

  void print(PrintWriter out, boolean json) {
    if (json) {
      printJson(out);
    } else {
      printText(out);
    }
  }

  private void printText(PrintWriter out) {
    int[] widths = new int[columns.size()];
    printable().forEach(row -> widen(widths, row));
    for (List<String> row : printable()) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < row.size(); i++) {
        line.append(row.get(i)).repeat(' ', widths[i] - row.get(i).length() + 2);
      }
      out.println(line.toString().stripTrailing());
    }
    out.flush();
  }

  private List<List<String>> printable() {
    List<List<String>> lines = new ArrayList<>();
    lines.add(columns.stream().map(column -> column.toUpperCase(Locale.ROOT)).toList());
    for (List<Object> row : rows) {
      lines.add(row.stream().map(Listing::text).toList());
    }
    return lines;
  }

  private static String text(Object value) {
    return switch (value) {
      case Boolean flag -> flag ? "yes" : "no";
      case Double number -> String.format(Locale.ROOT, "%.1f", number);
      default -> value.toString();
    };
  }

  private static void widen(int[] widths, List<String> row) {
    for (int i = 0; i < widths.length; i++) {
      widths[i] = Math.max(widths[i], row.get(i).length());
    }
  }

  private void printJson(PrintWriter out) {
    // The generator is closed to end the document; the stream below it is the process's and must
    // not be.
    StringWriter text = new StringWriter();
    try (JsonGenerator json = generator(text)) {
      writeArray(json);
    }
    out.println(text);
    out.flush();
  }

  /** Prints several as one JSON object with an array each, by name. */
  static void printJson(Map<String, Listing> listings, PrintWriter out) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = generator(text)) {
      json.writeStartObject();
      listings.forEach((name, listing) -> {
        json.writeName(name);
        listing.writeArray(json);
      });
      json.writeEndObject();
    }
    out.println(text);
    out.flush();
  }

  private static JsonGenerator generator(StringWriter text) {
    return new JsonFactory().createGenerator(new Indented(), text);
  }

  private void writeArray(JsonGenerator json) {
    json.writeStartArray();
    for (List<Object> row : rows) {
      json.writeStartObject();
      for (int i = 0; i < columns.size(); i++) {
        json.writeName(columns.get(i));
        writeValue(json, row.get(i));
      }
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  boolean isEmpty() {
    return rows.isEmpty();
  }

  private static void writeValue(JsonGenerator json, Object value) {
    switch (value) {
      case Boolean flag -> json.writeBoolean(flag);
      case Integer number -> json.writeNumber(number);
      case Long number -> json.writeNumber(number);
      case Double number -> json.writeNumber(number);
      default -> json.writeString(value.toString());
    }
  }

  /** Output with line breaks: people read it too. */
  private static final class Indented extends ObjectWriteContext.Base {
    @Override
    public PrettyPrinter getPrettyPrinter() {
      return new DefaultPrettyPrinter();
    }
  }
}
