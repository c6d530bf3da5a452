package dev.domus.toolstack.demo;

import dev.domus.toolstack.BadInputException;
import java.util.List;

/**
 * Two guests that talk. One grants the other a page of its memory and offers an event channel,
 * tells through xenstore where, and from then on the two speak without anybody's help: the kernel
 * checks the grant once and delivers the events.
 */
final class PingPongDemo {
  /**
   * Ids that the first two domains of a machine get; each guest is told the other's when it is
   * built.
   */
  private static final int SERVER = 1, CLIENT = 2;

  private static final int WEIGHT = 256;

  private static final long LIMIT_MILLIS = 15_000;

  /** A hundred times what a round trip takes on an idle host. */
  private static final int ROUNDS_A_MILLI = 2;

  private final Stage stage;
  private final Verdict verdict;

  PingPongDemo(Stage stage, Verdict verdict) {
    this.stage = stage;
    this.verdict = verdict;
  }

  /**
   * Runs it; the image is the kernel that plays both roles.
   *
   * @param rounds how many round trips
   * @param vcpus how many vCPUs each guest has, which share the rounds
   */
  void run(GuestPair.Place place, int rounds, int vcpus)
      throws BadInputException, InterruptedException {
    stage.heading("Two guests share a page by a grant, and call each other by an event channel");
    List<GuestPair.Role> roles =
        List.of(
            new GuestPair.Role(
                "server", "role=server peer=%d vcpus=%d".formatted(CLIENT, vcpus), WEIGHT, vcpus),
            new GuestPair.Role(
                "client",
                "role=client peer=%d rounds=%d vcpus=%d".formatted(SERVER, rounds, vcpus),
                WEIGHT,
                vcpus));
    try (GuestPair pair = new GuestPair(stage, verdict, place, roles)) {
      if (pair.guests().get(0).domid() != SERVER || pair.guests().get(1).domid() != CLIENT) {
        throw new IllegalStateException("the first domains of a machine are 1 and 2");
      }
      pair.start();
      pair.awaitEnd(Math.max(LIMIT_MILLIS, rounds / ROUNDS_A_MILLI));
    }
  }
}
