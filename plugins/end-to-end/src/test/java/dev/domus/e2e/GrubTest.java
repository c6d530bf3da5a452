package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * GRUB's Xen image, which nobody here wrote, unmodified: boots to its prompt and answers what is
 * typed.
 */
class GrubTest {
  private static final Path IMAGE = Path.of("/usr/lib/grub-xen/grub-x86_64-xen.bin");
  private static final String REASON =
      "SKIPPED: GRUB is not tested, because there is no "
          + IMAGE
          + "; install Debian's package grub-xen-host";

  @Test
  @Timeout(300)
  void bootsToItsPromptAndAnswersCommands() throws Exception {
    boot();
  }

  @Test
  @Timeout(300)
  void itDoesSoWithXenstoreAndConsoleInADriverDomain() throws Exception {
    boot("--driver-domain", "drivers=console,xenstore");
  }

  private static void boot(String... options) throws Exception {
    if (!Files.exists(IMAGE)) {
      System.err.println(REASON);
    }
    Assumptions.assumeTrue(Files.exists(IMAGE), REASON);
    List<Object> arguments = new ArrayList<>(List.of("run", "--kernel", IMAGE, "--memory", "64M"));
    arguments.addAll(List.of(options));
    try (DomusProcess domus = DomusProcess.start(arguments.toArray())) {
      domus.awaitOutput("grub>", 120);
      // Neither answer is among what is typed, so the echo of the input cannot be taken for it.
      domus.type("set greeting=wel\r");
      domus.type("echo ${greeting}come\r");
      domus.awaitOutput("welcome", 60);
      domus.type("ls\r");
      domus.awaitOutput("(memdisk)", 60);
      domus.type("set\r");
      domus.awaitOutput("greeting=wel\n".trim(), 60);
      domus.awaitOutput("prefix=", 60);
      domus.type("halt\r");
      assertEquals(0, domus.await(60), domus::transcript);
      assertTrue(domus.out().contains("GNU GRUB"), domus::transcript);
    }
  }
}
