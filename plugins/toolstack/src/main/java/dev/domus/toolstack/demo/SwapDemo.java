package dev.domus.toolstack.demo;

import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.PoolInfo;
import dev.domus.kernel.control.SwapResult;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.life.Guest;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Two guests that use all the CPU they get, with weights 1 : 2 on one pCPU, and the scheduler
 * swapped under them.
 *
 * <pre>
 *   0 s      both start
 *   0.5 s    measure under credit     time goes by weight: 1 : 2
 *   4 s      swap to rr, measure      time goes by turns: 1 : 1
 *   7.5 s    swap back, measure       1 : 2 again: the weights have outlived a scheduler that ignores them
 *  10.5 s
 *  11 s      the guests' own time limit: they power off
 * </pre>
 */
final class SwapDemo {
  private static final List<String> NAMES = List.of("spin1", "spin2");

  private static final List<Integer> WEIGHTS = List.of(256, 512);

  /**
   * What is expected of a scheduler.
   *
   * @param name its name
   * @param rule what it goes by, for people
   * @param weights what shares should come of it
   */
  private record Policy(String name, String rule, List<Integer> weights) {}

  private static final Policy CREDIT = new Policy(Demo.BY_WEIGHT, "weight", WEIGHTS);

  private static final Policy ROUND_ROBIN = new Policy(Demo.BY_TURNS, "turns", List.of(1, 1));

  private static final long SETTLE_MILLIS = 500,
      LONG_MEASURE_MILLIS = 3500,
      SHORT_MEASURE_MILLIS = 3000;

  private static final String GUEST_COMMAND_LINE = "seconds=11 period_ms=1500";

  /**
   * How long the guests may overstay their limit, until the demo has enough of it; longer where the
   * host does not let them run.
   */
  private static final long PATIENCE_MILLIS = 4000;

  private final Stage stage;
  private final Verdict verdict;

  SwapDemo(Stage stage, Verdict verdict) {
    this.stage = stage;
    this.verdict = verdict;
  }

  /** Runs it; the image is a kernel that uses all the CPU it gets. */
  void run(GuestPair.Place place) throws BadInputException, InterruptedException {
    stage.heading(
        "Two guests on one pCPU: weights 1 : 2 under the scheduler \"" + Demo.BY_WEIGHT + "\"");
    List<GuestPair.Role> roles =
        List.of(
            new GuestPair.Role(NAMES.get(0), GUEST_COMMAND_LINE, WEIGHTS.get(0), 1),
            new GuestPair.Role(NAMES.get(1), GUEST_COMMAND_LINE, WEIGHTS.get(1), 1));
    try (GuestPair pair = new GuestPair(stage, verdict, place, roles)) {
      List<Guest> guests = pair.guests();
      Control control = guests.getFirst().control();
      pair.start();
      Thread.sleep(SETTLE_MILLIS);
      measure(guests, CREDIT, LONG_MEASURE_MILLIS);
      swap(control, place.pool(), CREDIT, ROUND_ROBIN);
      measure(guests, ROUND_ROBIN, LONG_MEASURE_MILLIS);
      swap(control, place.pool(), ROUND_ROBIN, CREDIT);
      measure(guests, CREDIT, SHORT_MEASURE_MILLIS);
      pair.awaitEnd(PATIENCE_MILLIS);
      for (PoolInfo info : control.pools()) {
        if (!info.lastFault().isEmpty()) {
          verdict.fail(
              "pool "
                  + info.name()
                  + " fell back to the built-in round-robin: "
                  + info.lastFault());
        }
      }
    }
  }

  private void measure(List<Guest> guests, Policy policy, long millis) throws InterruptedException {
    Shares.Sample before = Shares.Sample.of(guests);
    Thread.sleep(millis);
    Shares shares = before.until(Shares.Sample.of(guests));
    stage.heading("CPU time under \"" + policy.name + "\", which goes by " + policy.rule);
    shares.show(stage, NAMES, policy.weights);
    switch (shares.judge(policy.weights)) {
      case AS_EXPECTED -> {}
      case WRONG -> verdict.fail("shares under \"" + policy.name + "\"");
      case TOO_LITTLE -> verdict.abstain(shares.whyTooLittle());
    }
  }

  private void swap(Control control, String pool, Policy from, Policy to) {
    SwapResult swap = control.swapScheduler(pool, to.name, Map.of());
    stage.heading(
        "Scheduler swapped on the live pool: \"" + swap.from() + "\" to \"" + swap.to() + '"');
    stage.line(
        String.format(
            Locale.ROOT,
            "  %d vCPUs handed over; the guests were held up for %.3f ms",
            swap.vcpus(),
            swap.pauseNanos() / 1e6));
    if (!swap.from().equals(from.name)
        || !swap.to().equals(to.name)
        || swap.vcpus() != NAMES.size()) {
      verdict.fail(
          "the swap should have gone from \"%s\" to \"%s\" with %d vCPUs"
              .formatted(from.name, to.name, NAMES.size()));
    }
  }
}
