package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** A whole program with its C library: what it prints natively it prints on the engine. */
class UserProgramTest {
  private static final Path SOURCE = Path.of("src/test/c/program.c");

  @Test
  void aProgramPrintsWhatItPrintsNatively() throws IOException, InterruptedException {
    Assumptions.assumeTrue(
        HostCpu.isPossible() && Assembled.toolsExist(), "needs an x86-64 Linux host with gcc");
    Path elf = Files.createTempFile("domus-program", ".elf");
    try {
      Assembled.run(
          List.of(
              "gcc",
              "-O2",
              "-static",
              "-no-pie",
              "-fno-builtin",
              "-o",
              elf.toString(),
              SOURCE.toString(),
              "-lm"));
    } catch (IOException e) {
      Assumptions.abort("gcc cannot link statically: " + e.getMessage());
    }
    Process process = new ProcessBuilder(elf.toString()).start();
    String expected = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(7, process.waitFor());
    for (long budget : new long[] {1_000_000, 37}) {
      UserProgram program = new UserProgram(elf, elf.toString());
      program.run(budget);
      assertEquals(expected, program.output.toString(StandardCharsets.UTF_8));
      assertEquals(7, program.status);
    }
    Files.delete(elf);
  }
}
