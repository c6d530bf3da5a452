package dev.domus.policy.rules;

import dev.domus.kernel.access.AccessPolicy;
import dev.domus.kernel.access.AccessPolicyFactory;
import java.nio.file.Path;
import java.util.Optional;

/** {@code rules}: who may do what to whom, from a file of rules. */
public final class RulesFactory implements AccessPolicyFactory {
  @Override
  public String name() {
    return "rules";
  }

  @Override
  public String description() {
    return "from a file, rules:FILE; a line a rule: SUBJECT OPERATION OBJECT allow|deny";
  }

  @Override
  public AccessPolicy create(Optional<String> argument, AccessPolicy builtIn) {
    if (argument.isEmpty() || argument.get().isEmpty()) {
      throw new IllegalArgumentException("rules want a file; give one, as in rules:FILE");
    }
    return new Rules(RuleFile.read(Path.of(argument.get())), builtIn);
  }
}
