package dev.domus.toolstack.terminal;

import dev.domus.toolstack.BadInputException;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What is typed at a guest's console in a deterministic run, and when: a text file, one step a
 * line, done one after another.
 *
 * <pre>
 *   # comment
 *   at 1.5s type "stranger\n"
 *   after "grub&gt;" type "halt\r"
 * </pre>
 *
 * <p>A time is virtual, from the start of the machine: a number with {@code ns}, {@code us}, {@code
 * ms} or {@code s}; one that has passed means at once. A text to wait for is looked for in what the
 * guest prints after the one before. In texts, {@code \n}, {@code \r}, {@code \t}, {@code \e}
 * (escape), {@code \\}, {@code \"} and {@code \xHH} stand for single bytes.
 *
 * @param steps in order
 */
public record InputScript(List<Step> steps) {
  private static final Pattern LINE =
      Pattern.compile(
          "(?:at\\s+(?<time>[0-9]+(?:\\.[0-9]+)?)(?<unit>ns|us|ms|s)|after\\s+\"(?<text>(?:[^\"\\\\]|\\\\.)*)\")"
              + "\\s+type\\s+\"(?<type>(?:[^\"\\\\]|\\\\.)*)\"");

  private static final Pattern ESCAPE = Pattern.compile("\\\\(x[0-9A-Fa-f]{2}|.)");
  private static final Map<String, Long> NANOS =
      Map.of("ns", 1L, "us", 1_000L, "ms", 1_000_000L, "s", 1_000_000_000L);
  private static final Map<String, String> ESCAPES =
      Map.of("n", "\n", "r", "\r", "t", "\t", "e", "\u001B", "\\", "\\", "\"", "\"");

  /** A script in which nothing is typed. */
  public static final InputScript NOTHING = new InputScript(List.of());

  /** One line. */
  public sealed interface Step {
    /** What is typed, a byte a character. */
    String typed();
  }

  /** At a time. */
  public record At(long nanos, String typed) implements Step {}

  /** When a text has been printed, not empty. */
  public record After(String text, String typed) implements Step {}

  /**
   * Reads a script.
   *
   * @throws BadInputException if it cannot be read, naming the line
   */
  public static InputScript read(Path file) throws BadInputException {
    List<String> lines;
    try {
      lines = Files.readAllLines(file, StandardCharsets.UTF_8);
    } catch (CharacterCodingException e) {
      throw new BadInputException(file + ": is not UTF-8 text, as an input script has to be");
    } catch (IOException e) {
      throw new BadInputException(file + ": cannot be read as an input script: " + e);
    }
    List<Step> steps = new ArrayList<>();
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i).strip();
      if (!line.isEmpty() && !line.startsWith("#")) {
        steps.add(step(file + ":" + (i + 1), line));
      }
    }
    return new InputScript(List.copyOf(steps));
  }

  private static Step step(String where, String line) throws BadInputException {
    Matcher parts = LINE.matcher(line);
    if (!parts.matches()) {
      throw new BadInputException(
          where
              + ": is no step: "
              + BadInputException.quote(line)
              + "; write   at 1.5s type \"text\\r\"   or   after \"prompt\" type \"text\\r\"");
    }
    String typed = unescaped(where, parts.group("type"));
    if (parts.group("time") == null) {
      String text = unescaped(where, parts.group("text"));
      if (text.isEmpty()) {
        throw new BadInputException(where + ": waits for \"\", which is always there; name a text");
      }
      return new After(text, typed);
    }
    BigDecimal nanos =
        new BigDecimal(parts.group("time"))
            .multiply(BigDecimal.valueOf(NANOS.get(parts.group("unit"))));
    if (nanos.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) >= 0) {
      throw new BadInputException(where + ": is later than three centuries; give a sooner time");
    }
    return new At(nanos.longValue(), typed);
  }

  private static String unescaped(String where, String text) throws BadInputException {
    Matcher escape = ESCAPE.matcher(text);
    StringBuilder plain = new StringBuilder();
    int done = 0;
    while (escape.find()) {
      String name = escape.group(1);
      String one =
          name.length() == 3
              ? String.valueOf((char) Integer.parseInt(name.substring(1), 16))
              : ESCAPES.get(name);
      if (one == null) {
        throw new BadInputException(
            where + ": there is no \\" + name + "; there is \\n \\r \\t \\e \\\\ \\\" and \\xHH");
      }
      plain.append(text, done, escape.start()).append(one);
      done = escape.end();
    }
    return plain.append(text, done, text.length()).toString();
  }
}
