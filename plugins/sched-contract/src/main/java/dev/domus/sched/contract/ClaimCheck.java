package dev.domus.sched.contract;

import java.lang.reflect.Method;
import java.util.Optional;
import net.jqwik.api.lifecycle.LifecycleContext;
import net.jqwik.api.lifecycle.PropertyLifecycleContext;
import net.jqwik.api.lifecycle.SkipExecutionHook;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Skips what a scheduler does not claim: the tests of Jupiter, and the properties of jqwik. */
final class ClaimCheck implements ExecutionCondition, SkipExecutionHook {
  /** Both engines make it. */
  ClaimCheck() {}

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    return context
        .getTestMethod()
        .flatMap(method -> missing(context.getRequiredTestInstance(), method))
        .map(ConditionEvaluationResult::disabled)
        .orElse(ConditionEvaluationResult.enabled("claimed"));
  }

  @Override
  public SkipResult shouldBeSkipped(LifecycleContext context) {
    return context instanceof PropertyLifecycleContext property
        ? missing(property.testInstance(), property.targetMethod())
            .map(SkipResult::skip)
            .orElse(SkipResult.doNotSkip())
        : SkipResult.doNotSkip();
  }

  private static Optional<String> missing(Object test, Method method) {
    Needs needs = method.getAnnotation(Needs.class);
    SchedulerContract contract = (SchedulerContract) test;
    return needs == null || contract.claims().contains(needs.value())
        ? Optional.empty()
        : Optional.of(contract.factory().name() + " does not claim " + needs.value());
  }
}
