package dev.domus.toolstack.demo;

import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.control.PoolInfo;
import dev.domus.kernel.control.SwapResult;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.KernelImage;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.life.GuestConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;

/**
 * Two guests that use all the CPU they get, with weights 1 : 2 on one pCPU, and the scheduler
 * swapped under them.
 *
 * <pre>
 *   0 s      both start
 *   0.5 s    measure under credit     time goes by weight: 1 : 2
 *   4.5 s    swap to rr, measure      time goes by turns: 1 : 1
 *   8.5 s    swap back, measure       1 : 2 again: the weights have outlived a scheduler that ignores them
 *  11.5 s
 *  12 s      the guests' own time limit: they power off
 * </pre>
 *
 * Whatever is not as it should be is said and remembered; the demo goes on, so that one sees how
 * far it is off.
 */
public final class SwapDemo {
  /** The schedulers that it needs: one that goes by weight, and one that does not. */
  public static final String BY_WEIGHT = "credit", BY_TURNS = "rr";

  /** Memory of each guest in frames: 16 MiB. */
  public static final long GUEST_PAGES = 4096;

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

  private static final Policy CREDIT = new Policy(BY_WEIGHT, "weight", WEIGHTS);

  private static final Policy ROUND_ROBIN = new Policy(BY_TURNS, "turns", List.of(1, 1));

  private static final long SETTLE_MILLIS = 500,
      LONG_MEASURE_MILLIS = 4000,
      SHORT_MEASURE_MILLIS = 3000;

  private static final String GUEST_COMMAND_LINE = "seconds=12 period_ms=1500";

  /** How long the guests may overstay their limit, until the demo has enough of it. */
  private static final long PATIENCE_MILLIS = 4000;

  private final Stage stage;
  private final String engine;
  private final String pool;
  private final List<Integer> linesHeard = new ArrayList<>(List.of(0, 0));
  private boolean worked = true;

  /**
   * Prepares the demo.
   *
   * @param engine engine that runs the guests
   * @param pool the cpupool they go to; its scheduler has to be {@link #BY_WEIGHT}
   */
  SwapDemo(Stage stage, String engine, String pool) {
    this.stage = stage;
    this.engine = engine;
    this.pool = pool;
  }

  /**
   * Runs it.
   *
   * @param image a kernel that uses all the CPU it gets
   * @return whether everything was as expected
   */
  boolean run(Machine machine, KernelImage image) throws BadInputException, InterruptedException {
    stage.heading(
        "Two guests on one pCPU: weights 1 : 2 under the scheduler \"" + BY_WEIGHT + "\"");
    try (Guest first = create(machine, image, 0);
        Guest second = create(machine, image, 1);
        ConsoleService.Attachment firstConsole =
            first.attach(new LineConsole(line -> heard(0, line)));
        ConsoleService.Attachment secondConsole =
            second.attach(new LineConsole(line -> heard(1, line)))) {
      List<Guest> guests = List.of(first, second);
      Control control = first.control();
      guests.forEach(Guest::unpause);
      Thread.sleep(SETTLE_MILLIS);
      measure(guests, CREDIT, LONG_MEASURE_MILLIS);
      swap(control, BY_WEIGHT, BY_TURNS);
      measure(guests, ROUND_ROBIN, LONG_MEASURE_MILLIS);
      swap(control, BY_TURNS, BY_WEIGHT);
      measure(guests, CREDIT, SHORT_MEASURE_MILLIS);
      awaitEnd(guests);
      firstConsole.drain();
      secondConsole.drain();
      judge(control);
    }
    return worked;
  }

  private Guest create(Machine machine, KernelImage image, int index) throws BadInputException {
    return Guest.create(
        machine,
        new GuestConfig(
            NAMES.get(index),
            UUID.randomUUID(),
            image,
            Optional.empty(),
            GUEST_COMMAND_LINE,
            GUEST_PAGES,
            1,
            engine,
            pool,
            WEIGHTS.get(index),
            0));
  }

  private void heard(int guest, String line) {
    synchronized (linesHeard) {
      linesHeard.set(guest, linesHeard.get(guest) + 1);
    }
    stage.guestLine(guest, NAMES.get(guest), line);
  }

  private void measure(List<Guest> guests, Policy policy, long millis) throws InterruptedException {
    Shares.Sample before = Shares.Sample.of(guests);
    Thread.sleep(millis);
    Shares shares = before.until(Shares.Sample.of(guests));
    stage.heading("CPU time under \"" + policy.name + "\", which goes by " + policy.rule);
    shares.show(stage, NAMES, policy.weights);
    if (!shares.areAsBy(policy.weights)) {
      fail("shares under \"" + policy.name + "\"");
      if (shares.hostWasOverloaded()) {
        stage.line(
            String.format(
                Locale.ROOT,
                "  The host is overloaded: it gave the pCPU's thread no more than %.0f %% of the time, in pieces longer than slices. Repeat it when the host is less busy.",
                shares.hostPercent()));
      }
    }
  }

  private void swap(Control control, String from, String to) {
    SwapResult swap = control.swapScheduler(pool, to);
    stage.heading(
        "Scheduler swapped on the live pool: \"" + swap.from() + "\" to \"" + swap.to() + '"');
    stage.line(
        String.format(
            Locale.ROOT,
            "  %d vCPUs handed over; the guests were held up for %.3f ms",
            swap.vcpus(),
            swap.pauseNanos() / 1e6));
    if (!swap.from().equals(from) || !swap.to().equals(to) || swap.vcpus() != NAMES.size()) {
      fail(
          "the swap should have gone from \""
              + from
              + "\" to \""
              + to
              + "\" with "
              + NAMES.size()
              + " vCPUs");
    }
  }

  private void awaitEnd(List<Guest> guests) throws InterruptedException {
    long deadline = System.nanoTime() + PATIENCE_MILLIS * 1_000_000;
    for (Guest guest : guests) {
      while (guest.info().state() != DomainInfo.State.SHUTDOWN
          && System.nanoTime() - deadline < 0) {
        Thread.sleep(10);
      }
      DomainInfo info = guest.info();
      if (info.state() != DomainInfo.State.SHUTDOWN) {
        fail(guest.name() + " did not power off when its time was up, and is destroyed");
      } else if (info.shutdownReason() != DomainInfo.POWEROFF) {
        fail(guest.name() + " ended with shutdown reason " + info.shutdownReason());
        guest.control().crashReport(guest.domid()).ifPresent(stage::line);
      }
    }
  }

  private void judge(Control control) {
    for (int i = 0; i < NAMES.size(); i++) {
      synchronized (linesHeard) {
        if (linesHeard.get(i) == 0) {
          fail(NAMES.get(i) + " printed nothing");
        }
      }
    }
    for (PoolInfo info : control.pools()) {
      if (!info.lastFault().isEmpty()) {
        fail("pool " + info.name() + " fell back to the built-in round-robin: " + info.lastFault());
      }
    }
    stage.heading(
        worked
            ? "Both guests have powered off; everything was as expected."
            : "The demo has ended.");
  }

  private void fail(String what) {
    worked = false;
    stage.failure(what);
  }
}
