package dev.domus.engine.jvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.engine.jvm.decode.Decoder;
import dev.domus.engine.jvm.decode.Insn;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** The decoder's idea of where instructions end, against objdump's. */
class DecoderLengthTest {
  private static final int LIMIT = 150_000;
  private final List<String> failures = new ArrayList<>();
  private int compared;

  @Test
  void systemBinariesDecodeAsObjdumpSaysTheyDo() throws IOException, InterruptedException {
    needObjdump();
    for (String file :
        List.of(
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/usr/lib/x86_64-linux-gnu/libm.so.6",
            "/usr/bin/bash")) {
      if (Files.exists(Path.of(file))) {
        compare(List.of("objdump", "-d", "-w", "-M", "amd64", file));
      }
    }
    report(50_000);
  }

  @Test
  void randomBytesDecodeAsObjdumpSaysTheyDo() throws IOException, InterruptedException {
    needObjdump();
    byte[] bytes = new byte[400_000];
    new Random(20260104).nextBytes(bytes);
    Path file = Files.createTempFile("domus-random", ".bin");
    Files.write(file, bytes);
    compare(
        List.of(
            "objdump",
            "-D",
            "-w",
            "-b",
            "binary",
            "-m",
            "i386:x86-64",
            "-M",
            "amd64",
            file.toString()));
    Files.delete(file);
    report(30_000);
  }

  private static void needObjdump() {
    Assumptions.assumeTrue(
        Files.isExecutable(Path.of("/usr/bin/objdump")), "needs binutils' objdump");
  }

  private void report(int atLeast) {
    System.out.println("objdump oracle: instructions=" + compared);
    assertTrue(compared >= atLeast, "compared=" + compared);
    assertEquals(
        List.of(),
        failures.subList(0, Math.min(failures.size(), 30)),
        () -> "lengths differ times=" + failures.size());
  }

  private void compare(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).start();
    Decoder decoder = new Decoder();
    int lines = 0;
    try (BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      String line;
      while ((line = reader.readLine()) != null && lines < LIMIT) {
        String[] parts = line.split("\t");
        if (parts.length >= 3) {
          lines++;
          one(decoder, parts[1].trim(), parts[2]);
        }
      }
    }
    process.destroy();
    process.waitFor();
  }

  private void one(Decoder decoder, String hex, String text) {
    if (text.contains("(bad)") || isBeyondUs(text)) {
      return;
    }
    String[] digits = hex.split(" +");
    byte[] bytes = new byte[digits.length + 16];
    for (int n = 0; n < digits.length; n++) {
      bytes[n] = (byte) Integer.parseInt(digits[n], 16);
    }
    if (prefixAlone(text) || digits.length > 15) {
      return;
    }
    Insn insn = decoder.decode(bytes, 0, bytes.length, 0);
    if (insn != null && insn.opcode == 0x9B || text.matches("rex[.A-Z]* v.*")) {
      return; // objdump joins FWAIT and what follows; XOP after REX
    }
    compared++;
    if (insn == null || insn.length != digits.length) {
      failures.add(hex + "  " + text + ": engine=" + (insn == null ? "none" : insn.length));
    }
  }

  /**
   * VEX and EVEX instructions other than those on general registers, XOP, 3DNow!: #UD here, of
   * whatever length.
   */
  private static boolean isBeyondUs(String text) {
    String mnemonic = text.trim().split(" ")[0].toLowerCase(Locale.ROOT);
    return mnemonic.startsWith("v") && !mnemonic.startsWith("ver")
        || mnemonic.startsWith("{")
        || mnemonic.startsWith("k")
        || mnemonic.startsWith("pf")
        || mnemonic.startsWith("bl") && text.contains("ymm")
        || mnemonic.startsWith("tile")
        || mnemonic.startsWith("lwp")
        || mnemonic.startsWith("llwp")
        || mnemonic.startsWith("slwp");
  }

  /** objdump shows prefixes that lead nowhere as instructions of their own. */
  private static boolean prefixAlone(String text) {
    String t = text.trim();
    return t.matches(
            "((rex(\\.[WRXB]+)?|data16|addr32|lock|repz?|repnz|cs|ds|es|ss|fs|gs|notrack|bnd|xacquire|xrelease) ?)+")
        || t.startsWith(".byte");
  }
}
