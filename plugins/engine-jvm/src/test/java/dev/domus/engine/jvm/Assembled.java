package dev.domus.engine.jvm;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Machine code made by the host's gcc and binutils, linked at a fixed address, with its symbols.
 */
record Assembled(byte[] image, Map<String, Long> symbols) {
  static final long BASE = 0x400000;

  /** Whether the host has the tools. */
  static boolean toolsExist() {
    return List.of("gcc", "ld", "nm", "objcopy", "objdump", "as").stream()
        .allMatch(tool -> Files.isExecutable(Path.of("/usr/bin", tool)));
  }

  /** Compiles or assembles one source file. */
  static Assembled of(Path source, String... flags) throws IOException, InterruptedException {
    Path dir = Files.createTempDirectory("domus-engine");
    Path object = dir.resolve("a.o");
    Path elf = dir.resolve("a.elf");
    Path flat = dir.resolve("a.bin");
    List<String> compile = new java.util.ArrayList<>(List.of("gcc", "-c", "-o", object.toString()));
    compile.addAll(List.of(flags));
    compile.add(source.toString());
    run(compile);
    run(
        List.of(
            "ld",
            "-e",
            "0",
            "-Ttext=0x400000",
            "-o",
            elf.toString(),
            object.toString(),
            "--no-warnings"));
    run(List.of("objcopy", "-O", "binary", elf.toString(), flat.toString()));
    Map<String, Long> symbols = new HashMap<>();
    for (String line : run(List.of("nm", elf.toString())).split("\n")) {
      String[] parts = line.trim().split(" +");
      if (parts.length == 3) {
        symbols.put(parts[2], Long.parseUnsignedLong(parts[0], 16));
      }
    }
    return new Assembled(Files.readAllBytes(flat), symbols);
  }

  static String run(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException(command + ": " + output);
    }
    return output;
  }
}
