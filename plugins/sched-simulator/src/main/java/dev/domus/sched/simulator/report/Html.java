package dev.domus.sched.simulator.report;

/** Text in HTML and SVG. */
final class Html {
  private Html() {}

  /** A text, from whoever, as content or as the value of an attribute in double quotes. */
  static String escape(String text) {
    StringBuilder escaped = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '&' -> escaped.append("&amp;");
        case '<' -> escaped.append("&lt;");
        case '>' -> escaped.append("&gt;");
        case '"' -> escaped.append("&quot;");
        default -> escaped.append(Character.isISOControl(c) && c != '\n' ? '?' : c);
      }
    }
    return escaped.toString();
  }
}
