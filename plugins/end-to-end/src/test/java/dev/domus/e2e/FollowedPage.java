package dev.domus.e2e;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A page of the documentation as somebody follows it who does exactly what it says: the files that
 * it shows are written, its commands are run, in one shell and in the order of the page.
 *
 * <pre>
 *   ```sh            commands; the first that fails ends it
 *   ```sh fails      commands of which one has to fail
 *   ```sh setup      where things are; not run, for the follower knows
 *   `PATH`           in a line of its own before a block of any other kind: the block is that file
 *   &lt;!-- shows: TEXT --&gt;   before commands: what they print holds that text
 * </pre>
 */
record FollowedPage(List<Step> steps) {
  private static final String FENCE = "```";
  private static final String END = "@@end of step ";
  private static final Pattern SHOWS = Pattern.compile("<!-- shows: (.*) -->");
  private static final Pattern FILE = Pattern.compile("`([\\w./-]+)`");

  /**
   * Something to do.
   *
   * @param script commands for the shell
   * @param shows what they have to print
   */
  record Step(String script, List<String> shows) {}

  static FollowedPage read(Path page) throws IOException {
    List<Step> steps = new ArrayList<>();
    List<String> shows = new ArrayList<>();
    String file = "";
    List<String> lines = Files.readAllLines(page);
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i);
      Matcher shown = SHOWS.matcher(line);
      Matcher named = FILE.matcher(line);
      if (shown.matches()) {
        shows.add(shown.group(1));
      } else if (named.matches()) {
        file = named.group(1);
      } else if (line.startsWith(FENCE)) {
        List<String> block = new ArrayList<>();
        for (i++; !lines.get(i).equals(FENCE); i++) {
          block.add(lines.get(i));
        }
        String text = String.join("\n", block);
        switch (line.substring(FENCE.length())) {
          case "sh setup" -> {}
          case "sh" -> steps.add(new Step(text, List.copyOf(shows)));
          case "sh fails" -> steps.add(new Step(failing(text), List.copyOf(shows)));
          default -> steps.add(new Step(writing(file, text), List.of()));
        }
        shows.clear();
        file = "";
      }
    }
    return new FollowedPage(steps);
  }

  private static String failing(String text) {
    return "if (" + text + "); then echo this should have failed; exit 1; fi";
  }

  private static String writing(String file, String text) {
    if (file.isEmpty()) {
      throw new AssertionError("the page does not say which file this is: " + text);
    }
    return "cat >" + file + " <<'@@end of file'\n" + text + "\n@@end of file";
  }

  /** All of it, for one shell. */
  String script() {
    StringBuilder script = new StringBuilder("set -eu\nexec 2>&1\n");
    for (int i = 0; i < steps.size(); i++) {
      script.append(steps.get(i).script).append("\necho '").append(END).append(i).append("'\n");
    }
    return script.toString();
  }

  /** What a step has printed, of all that was; empty if the shell did not come so far. */
  static String outputOf(int step, String all) {
    int end = all.indexOf(END + step + "\n");
    int before = step == 0 ? 0 : all.indexOf(END + (step - 1) + "\n");
    return end < 0 || before < 0 ? "" : all.substring(before, end);
  }
}
