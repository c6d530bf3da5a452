package dev.domus.sched.contract;

import dev.domus.sched.contract.History.Act;
import dev.domus.sched.contract.History.Dom;
import dev.domus.sched.contract.History.Habit;
import dev.domus.sched.contract.History.Step;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;

/** Random {@link History} values for jqwik. */
public final class Histories {
  private static final int MOST_PCPUS = 8;

  private Histories() {}

  /** Pools of up to 8 pCPUs and some dozen vCPUs, and up to 100 steps of up to 40 ms. */
  public static Arbitrary<History> arbitrary() {
    return Combinators.combine(
            Arbitraries.integers().between(1, MOST_PCPUS),
            domains().list().ofMinSize(1).ofMaxSize(30),
            steps().list().ofMaxSize(100))
        .as(History::new);
  }

  private static Arbitrary<Dom> domains() {
    Arbitrary<Integer> pcpus = Arbitraries.integers().between(0, MOST_PCPUS - 1);
    return Combinators.combine(
            Arbitraries.of(1, 64, 256, 256, 512, 1024, 65_535),
            Arbitraries.of(0, 0, 0, 5, 50, 150),
            pcpus.set().ofMaxSize(2),
            pcpus.set().ofMaxSize(3),
            Arbitraries.of(Habit.class).list().ofMinSize(1).ofMaxSize(3),
            Arbitraries.longs())
        .as(Dom::new);
  }

  private static Arbitrary<Step> steps() {
    return Combinators.combine(
            Arbitraries.longs().between(0, 40_000_000),
            Arbitraries.of(Act.class),
            Arbitraries.integers().between(0, 1_000),
            domains())
        .as(Step::new);
  }
}
