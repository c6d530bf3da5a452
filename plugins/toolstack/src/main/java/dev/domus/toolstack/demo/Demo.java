package dev.domus.toolstack.demo;

import dev.domus.kernel.plugin.Machine;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.KernelImage;
import java.io.PrintWriter;
import java.nio.file.Path;

/**
 * The demo and what to do after it.
 *
 * @param out where it is shown
 * @param colour whether to send ANSI sequences
 * @param home the source tree or run image that the launcher stands in
 */
public record Demo(PrintWriter out, boolean colour, Path home) {
  /**
   * Runs it.
   *
   * @param image a kernel that uses all the CPU it gets
   * @param engine engine that runs the guests
   * @param pool the cpupool they go to
   * @return whether everything was as expected
   */
  public boolean run(Machine machine, KernelImage image, String engine, String pool)
      throws BadInputException, InterruptedException {
    Stage stage = new Stage(out, colour);
    boolean worked = new SwapDemo(stage, engine, pool).run(machine, image);
    new NextSteps(home).show(stage);
    return worked;
  }
}
