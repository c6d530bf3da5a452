package dev.domus.kernel.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.device.Bar;
import dev.domus.kernel.device.FunctionSpec;
import dev.domus.kernel.device.InterruptKind;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConfigSpaceTest {
  private static final long PLACE = 0x1_2340_0000L;
  private static final String NO_LSPCI =
      "lspci is not installed; install pciutils to have configuration space read by it";

  @TempDir private Path folder;
  private final List<String> effects = new ArrayList<>();

  private ConfigSpace space(InterruptKind interrupts, int vectors) {
    FunctionSpec spec =
        new FunctionSpec(
            0x1b36,
            0x0010,
            2,
            0x010802,
            0x1af4,
            0x1100,
            List.of(new Bar(0, 16384)),
            interrupts,
            vectors);
    ConfigSpace space =
        new ConfigSpace(
            spec,
            new ConfigSpace.Effects() {
              @Override
              public void enable(boolean memory, boolean busMaster) {
                effects.add("memory=%s master=%s".formatted(memory, busMaster));
              }

              @Override
              public void functionLevelReset() {
                effects.add("reset");
              }
            });
    space.place(new Bar(0, 16384), PLACE);
    return space;
  }

  /** The oracle: what lspci makes of it. */
  @Test
  void lspciReadsItAsWhatItIs() throws Exception {
    ConfigSpace space = space(InterruptKind.MSI_X, 9);
    space.place(new Bar(2, 4096), PLACE + 0x10000);
    space.placeMsix(2, 2048);
    space.showInterrupts(true);
    space.write(ConfigLayout.COMMAND, 2, 6);
    String text = lspci(space);
    for (String expected :
        List.of(
            "01:02.3 0108: 1b36:0010 (rev 02) (prog-if 02",
            "Subsystem: 1af4:1100",
            "Mem+ BusMaster+",
            "Region 0: Memory at 123400000 (64-bit, non-prefetchable)",
            "Region 2: Memory at 123410000 (64-bit, non-prefetchable)",
            "Root Complex Integrated Endpoint",
            "FLReset+",
            "MSI-X: Enable+ Count=9 Masked-",
            "Vector table: BAR=2 offset=00000000",
            "PBA: BAR=2 offset=00000800")) {
      assertTrue(text.contains(expected), () -> "no \"" + expected + "\" in:\n" + text);
    }
  }

  @Test
  void lspciReadsMsi() throws Exception {
    String text = lspci(space(InterruptKind.MSI, 4));
    assertTrue(text.contains("MSI: Enable- Count=1/4 Maskable- 64bit+"), text);
  }

  private String lspci(ConfigSpace space) throws IOException, InterruptedException {
    StringBuilder dump = new StringBuilder("01:02.3 ?\n");
    for (int line = 0; line < 256; line += 16) {
      dump.append("%02x:".formatted(line));
      for (int i = 0; i < 16; i++) {
        dump.append(" %02x".formatted(space.read(line + i, 1)));
      }
      dump.append('\n');
    }
    Path file = Files.writeString(folder.resolve("dump"), dump);
    Process process;
    try {
      process =
          new ProcessBuilder("lspci", "-F", file.toString(), "-n", "-vv")
              .redirectErrorStream(true)
              .start();
    } catch (IOException absent) {
      Assumptions.abort(NO_LSPCI);
      throw absent;
    }
    String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), text);
    return text;
  }

  @Test
  void aProbeShowsTheSizeAndMovesNothing() {
    ConfigSpace space = space(InterruptKind.NONE, 0);
    space.write(ConfigLayout.BARS, 4, -1);
    space.write(ConfigLayout.BARS + 4, 4, -1);
    assertEquals(0xffff_c004, space.read(ConfigLayout.BARS, 4));
    assertEquals(0xffff_ffff, space.read(ConfigLayout.BARS + 4, 4));
    space.write(ConfigLayout.BARS, 4, 0x7000_0000);
    space.write(ConfigLayout.BARS + 4, 4, 0);
    assertEquals((int) PLACE | 4, space.read(ConfigLayout.BARS, 4));
    assertEquals(1, space.read(ConfigLayout.BARS + 4, 4));
    space.write(ConfigLayout.BARS + 8, 4, -1);
    assertEquals(0, space.read(ConfigLayout.BARS + 8, 4), "a register without a region");
  }

  @Test
  void aByteOfTheCommandIsWrittenAlone() {
    ConfigSpace space = space(InterruptKind.NONE, 0);
    space.write(ConfigLayout.COMMAND, 2, 0x0406);
    space.write(ConfigLayout.COMMAND + 1, 1, 0);
    assertEquals(6, space.read(ConfigLayout.COMMAND, 2));
    space.write(ConfigLayout.COMMAND, 1, 2);
    assertEquals(
        List.of("memory=true master=true", "memory=true master=true", "memory=true master=false"),
        effects);
  }

  @Test
  void whatIsNotWritableStays() {
    ConfigSpace space = space(InterruptKind.MSI_X, 9);
    List<Integer> before = words(space);
    for (int offset = 0; offset < ConfigLayout.SIZE; offset += 4) {
      if (offset != ConfigLayout.COMMAND
          && (offset < ConfigLayout.BARS || offset >= ConfigLayout.BARS + 24)
          && offset != ConfigLayout.CACHE_LINE_SIZE
          && offset != ConfigLayout.INTERRUPT_LINE) {
        space.write(offset, 4, -1);
      }
    }
    assertEquals(before, words(space));
    assertEquals(List.of("reset"), effects, "all ones ask for a reset, and for nothing else");
  }

  private static List<Integer> words(ConfigSpace space) {
    List<Integer> words = new ArrayList<>();
    for (int offset = 0; offset < ConfigLayout.SIZE; offset += 4) {
      words.add(space.read(offset, 4));
    }
    return words;
  }
}
