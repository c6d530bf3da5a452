package dev.domus.toolstack.demo;

import dev.domus.kernel.plugin.Machine;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.KernelImage;
import java.io.PrintWriter;
import java.nio.file.Path;

/**
 * A demo and what to do after it.
 *
 * @param out where it is shown
 * @param colour whether to send ANSI sequences
 * @param home the source tree or run image that the launcher stands in
 * @param rounds how many round trips guests make that talk
 * @param vcpus how many vCPUs each of them has
 */
public record Demo(PrintWriter out, boolean colour, Path home, int rounds, int vcpus) {
  /** Round trips that take no time. */
  public static final int USUAL_ROUNDS = 500;

  /** Most vCPUs that guests which talk can use. */
  public static final int MOST_VCPUS = 8;

  /**
   * The schedulers that demos need: one that goes by weight, with which they start, and one that
   * does not.
   */
  public static final String BY_WEIGHT = "credit", BY_TURNS = "rr";

  /** Each demo has two guests. */
  public static final int GUESTS = 2;

  /** Memory of each guest in frames: 16 MiB. */
  public static final long GUEST_PAGES = 4096;

  /** What there is to see. */
  public enum Show {
    /** The scheduler is swapped under two guests. */
    SWAP("spin.elf"),
    /** Two guests talk through a granted page. */
    PINGPONG("pingpong.elf");

    private final String image;

    Show(String image) {
      this.image = image;
    }
  }

  /** The kernel that a demo runs. */
  public Path image(Show show) {
    return home.resolve("guest-kernels/images").resolve(show.image);
  }

  /**
   * Runs a demo.
   *
   * @param image the kernel of {@link #image(Show)}
   * @param engine engine that runs the guests
   * @param pool the cpupool they go to; its scheduler has to be {@link #BY_WEIGHT}
   * @return whether everything that could be judged was as expected
   */
  public boolean run(Show show, Machine machine, KernelImage image, String engine, String pool)
      throws BadInputException, InterruptedException {
    Stage stage = new Stage(out, colour);
    Verdict verdict = new Verdict(stage);
    GuestPair.Place place = new GuestPair.Place(machine, image, engine, pool);
    switch (show) {
      case SWAP -> new SwapDemo(stage, verdict).run(place);
      case PINGPONG -> new PingPongDemo(stage, verdict).run(place, rounds, vcpus);
    }
    stage.heading(
        !verdict.worked()
            ? "The demo has ended."
            : verdict.complete()
                ? "Both guests have powered off; everything was as expected."
                : "Both guests have powered off; what could be judged was as expected.");
    new NextSteps(home).show(stage);
    return verdict.worked();
  }
}
