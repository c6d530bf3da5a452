package dev.domus.policy.rules;

import dev.domus.kernel.access.Operation;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;

/**
 * One rule.
 *
 * @param subject the domain that asks; empty for all
 * @param operations what it asks
 * @param detail the operation's detail; empty for all
 * @param object about whom it asks
 * @param decision what then
 */
record Rule(
    OptionalInt subject,
    Set<Operation> operations,
    OptionalLong detail,
    RuleObject object,
    Decision decision) {

  /** What a rule, or its absence, comes to. */
  enum Decision {
    ALLOW,
    DENY,
    /** As the built-in policy decides. */
    DEFAULT
  }

  /** About whom a rule is. */
  sealed interface RuleObject {}

  /** One domain, or the machine. */
  record One(int domid) implements RuleObject {}

  /** Whoever asks. */
  record Self() implements RuleObject {}

  /** All. */
  record All() implements RuleObject {}
}
