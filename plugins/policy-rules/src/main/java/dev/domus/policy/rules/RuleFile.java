package dev.domus.policy.rules;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.access.Operation;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A file of rules.
 *
 * <pre>
 *   # SUBJECT  OPERATION[:DETAIL]  OBJECT   DECISION
 *   2          domctl:3            5        allow      domain 2 may pause domain 5,
 *   2          domctl:4            5        allow      and unpause it
 *   *          event_channels      self     allow
 *   0          io_memory           *        deny
 *   7          *                   machine  default    as without rules
 *   otherwise  deny
 * </pre>
 *
 * <p>SUBJECT is a domain id or {@code *}; OPERATION is one of {@link Operation} in lower case or
 * {@code *}, DETAIL a number as that operation says; OBJECT is a domain id, {@code self}, {@code
 * machine}, or {@code *} for all domains and the machine; DECISION is {@code allow}, {@code deny}
 * or {@code default}, which leaves it to the built-in policy. The first rule that fits decides; if
 * none does, {@code otherwise}, which is {@code default} unless a line says otherwise. {@code #}
 * begins a comment.
 *
 * @param rules in the order of the file
 * @param otherwise what holds where no rule fits
 */
record RuleFile(List<Rule> rules, Rule.Decision otherwise) {
  private static final int MOST_BYTES = 1 << 20, MOST_RULES = 4096;
  private static final String ANY = "*", OTHERWISE = "otherwise";
  private static final int WORDS = 4;

  /**
   * Reads a file.
   *
   * @throws IllegalArgumentException that names file, line, value and remedy
   */
  static RuleFile read(Path file) {
    return parse(file.toString(), text(file));
  }

  private static String text(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(MOST_BYTES + 1);
      if (bytes.length > MOST_BYTES) {
        throw new IllegalArgumentException(
            file + ": is longer than " + MOST_BYTES + " bytes; give a file of rules");
      }
      return new String(bytes, StandardCharsets.UTF_8);
    } catch (NoSuchFileException missing) {
      throw new IllegalArgumentException(file + ": no such file");
    } catch (IOException unreadable) {
      throw new IllegalArgumentException(file + ": cannot be read: " + unreadable.getMessage());
    }
  }

  /**
   * Reads a text.
   *
   * @param name of the file, for messages
   */
  static RuleFile parse(String name, String text) {
    List<Rule> rules = new ArrayList<>();
    Rule.Decision otherwise = null;
    int number = 0;
    for (String line : text.lines().toList()) {
      number++;
      String bare = line.replaceFirst("#.*", "").strip();
      if (bare.isEmpty()) {
        continue;
      }
      String[] words = bare.split("\\s+");
      try {
        if (!words[0].equals(OTHERWISE)) {
          rules.add(rule(words));
        } else if (otherwise != null) {
          throw new IllegalArgumentException("a second \"otherwise\"; leave one");
        } else if (words.length != 2) {
          throw new IllegalArgumentException(
              "has " + words.length + " words, and should be: otherwise allow|deny|default");
        } else {
          otherwise = decision(words[1]);
        }
        if (rules.size() > MOST_RULES) {
          throw new IllegalArgumentException("is the rule after " + MOST_RULES + "; use fewer");
        }
      } catch (IllegalArgumentException wrong) {
        throw new IllegalArgumentException(name + ":" + number + ": " + wrong.getMessage());
      }
    }
    return new RuleFile(List.copyOf(rules), otherwise == null ? Rule.Decision.DEFAULT : otherwise);
  }

  private static Rule rule(String[] words) {
    if (words.length != WORDS) {
      throw new IllegalArgumentException(
          "has "
              + words.length
              + " words, and should be: SUBJECT OPERATION[:DETAIL] OBJECT allow|deny|default");
    }
    OptionalInt subject =
        words[0].equals(ANY)
            ? OptionalInt.empty()
            : OptionalInt.of(domid(words[0], "subject", "a domain id or *"));
    String[] operation = words[1].split(":", 2);
    return new Rule(
        subject,
        operations(operation[0]),
        operation.length == 1 ? OptionalLong.empty() : OptionalLong.of(detail(operation[1])),
        object(words[2]),
        decision(words[3]));
  }

  private static Set<Operation> operations(String word) {
    if (word.equals(ANY)) {
      return EnumSet.allOf(Operation.class);
    }
    for (Operation operation : Operation.values()) {
      if (nameOf(operation).equals(word)) {
        return EnumSet.of(operation);
      }
    }
    throw new IllegalArgumentException(
        "there is no operation \"%s\"; there is *, %s"
            .formatted(
                word,
                Stream.of(Operation.values())
                    .map(RuleFile::nameOf)
                    .collect(Collectors.joining(", "))));
  }

  private static String nameOf(Operation operation) {
    return operation.name().toLowerCase(Locale.ROOT);
  }

  private static long detail(String word) {
    try {
      return Long.decode(word);
    } catch (NumberFormatException noNumber) {
      throw new IllegalArgumentException(
          "detail is \""
              + word
              + "\", and should be a number, as in domctl:3 or io_memory:0xfee00");
    }
  }

  private static Rule.RuleObject object(String word) {
    return switch (word) {
      case ANY -> new Rule.All();
      case "self" -> new Rule.Self();
      case "machine" -> new Rule.One(Domid.XEN);
      default -> new Rule.One(domid(word, "object", "a domain id, self, machine or *"));
    };
  }

  private static int domid(String word, String what, String right) {
    try {
      int domid = Integer.parseInt(word);
      if (domid >= 0 && domid < Domid.FIRST_RESERVED) {
        return domid;
      }
    } catch (NumberFormatException noNumber) {
      // refused below, as a number out of range is
    }
    throw new IllegalArgumentException(
        "%s is \"%s\", and should be %s; ids are 0 to %d"
            .formatted(what, word, right, Domid.FIRST_RESERVED - 1));
  }

  private static Rule.Decision decision(String word) {
    return switch (word) {
      case "allow" -> Rule.Decision.ALLOW;
      case "deny" -> Rule.Decision.DENY;
      case "default" -> Rule.Decision.DEFAULT;
      default ->
          throw new IllegalArgumentException(
              "decision is \"" + word + "\", and should be allow, deny or default");
    };
  }
}
