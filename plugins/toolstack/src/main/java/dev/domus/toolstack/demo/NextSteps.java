package dev.domus.toolstack.demo;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What to do after the demo, with paths that exist.
 *
 * @param home the source tree or run image that the launcher stands in
 */
record NextSteps(Path home) {
  private static final Path GRUB = Path.of("/usr/lib/grub-xen/grub-x86_64-xen.bin");

  void show(Stage stage) {
    stage.heading("How to go on");
    String domus = shown(home.resolve("domus"));
    step(
        stage,
        "Run another guest",
        domus + " run --kernel " + shown(home.resolve("guest-kernels/images/hello.elf")));
    step(stage, "See two guests talk", domus + " demo pingpong");
    if (Files.exists(GRUB)) {
      step(stage, "Run GRUB (Ctrl-] leaves)", domus + " run --kernel " + GRUB + " --memory 128M");
    }
    step(
        stage,
        "Run a kernel of your own",
        domus + " run --kernel YOUR-KERNEL --memory 128M --stats");
    step(stage, "See what is plugged in", domus + " plugin list; " + domus + " sched list");
    step(stage, "Write a scheduler", domus + " plugin new scheduler mine");
    if (Files.exists(home.resolve("plugins/sched-rr"))) {
      step(stage, "Run all tests", domus + " test");
    }
  }

  private static void step(Stage stage, String what, String how) {
    stage.line("  %-26s %s".formatted(what, how));
  }

  /** A path as one would type it here. */
  private static String shown(Path path) {
    Path here = Path.of("").toAbsolutePath();
    Path absolute = path.toAbsolutePath().normalize();
    if (!absolute.startsWith(here)) {
      return absolute.toString();
    }
    Path relative = here.relativize(absolute);
    return relative.getNameCount() == 1 ? "./" + relative : relative.toString();
  }
}
