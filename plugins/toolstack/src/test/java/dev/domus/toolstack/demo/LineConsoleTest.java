package dev.domus.toolstack.demo;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LineConsoleTest {
  private final List<String> lines = new ArrayList<>();
  private final LineConsole console = new LineConsole(lines::add);

  private void write(String text) {
    byte[] bytes = ("##" + text + "##").getBytes(StandardCharsets.ISO_8859_1);
    console.write(bytes, 2, bytes.length - 4);
  }

  @Test
  void linesComeWholeHoweverTheyWereCut() {
    write("on");
    write("e\r\ntwo\n");
    write("three");
    assertEquals(List.of("one", "two"), lines);
  }

  @Test
  void aGuestCannotSendControlSequencesToTheTerminal() {
    write("\033[2Jhello\007\n");
    assertEquals(List.of("[2Jhello"), lines);
  }

  @Test
  void aLineThatNeverEndsIsCut() {
    write("x".repeat(1500));
    assertEquals(2, lines.size());
  }
}
