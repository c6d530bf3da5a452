package dev.domus.policy.rules;

import dev.domus.kernel.access.AccessPolicy;
import dev.domus.kernel.access.Operation;
import java.util.List;

/**
 * Decides by the first rule that fits. The rules of each operation are kept as arrays of numbers,
 * so that an answer takes one pass and no memory.
 */
final class Rules implements AccessPolicy {
  /** In place of a domain: whoever asks, and everybody. Domain ids are 15 bits. */
  private static final int SELF = -1, ALL = -2;

  private final Row[][] byOperation;
  private final Rule.Decision otherwise;
  private final AccessPolicy builtIn;

  private record Row(
      int subject, int object, boolean anyDetail, long detail, Rule.Decision decision) {
    boolean fits(int caller, int target, long about) {
      return (subject == ALL || subject == caller)
          && (object == ALL || object == target || object == SELF && target == caller)
          && (anyDetail || detail == about);
    }
  }

  Rules(RuleFile file, AccessPolicy builtIn) {
    this.builtIn = builtIn;
    otherwise = file.otherwise();
    byOperation = new Row[Operation.values().length][];
    for (Operation operation : Operation.values()) {
      List<Row> rows =
          file.rules().stream()
              .filter(rule -> rule.operations().contains(operation))
              .map(Rules::row)
              .toList();
      byOperation[operation.ordinal()] = rows.toArray(Row[]::new);
    }
  }

  private static Row row(Rule rule) {
    int object =
        switch (rule.object()) {
          case Rule.One one -> one.domid();
          case Rule.Self self -> SELF;
          case Rule.All all -> ALL;
        };
    return new Row(
        rule.subject().orElse(ALL),
        object,
        rule.detail().isEmpty(),
        rule.detail().orElse(0),
        rule.decision());
  }

  @Override
  public boolean permits(Operation operation, int caller, int target, long detail) {
    Rule.Decision decision = otherwise;
    for (Row row : byOperation[operation.ordinal()]) {
      if (row.fits(caller, target, detail)) {
        decision = row.decision;
        break;
      }
    }
    return switch (decision) {
      case ALLOW -> true;
      case DENY -> false;
      case DEFAULT -> builtIn.permits(operation, caller, target, detail);
    };
  }
}
