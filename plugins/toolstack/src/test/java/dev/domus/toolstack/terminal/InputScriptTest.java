package dev.domus.toolstack.terminal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.terminal.InputScript.After;
import dev.domus.toolstack.terminal.InputScript.At;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class InputScriptTest {
  @TempDir private Path directory;

  private InputScript read(String text) throws IOException, BadInputException {
    Path file = directory.resolve("script");
    Files.writeString(file, text);
    return InputScript.read(file);
  }

  @Test
  void stepsAreReadInOrderWithTheirEscapes() throws Exception {
    assertEquals(
        List.of(
            new At(1_500_000_000L, "a\r"),
            new At(250, "\u001B[A\u00FF"),
            new After("say \"x\\y\"\n", "\t")),
        read("""
        # a comment

        at 1.5s type "a\\r"
          at 250ns   type "\\e[A\\xff"
        after "say \\"x\\\\y\\"\\n" type "\\t"
        """)
            .steps());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\'',
      value = {
        "at noon type \"x\"         | is no step",
        "at 5 type \"x\"            | is no step",
        "at 1s type x               | is no step",
        "after \"\" type \"x\"      | name a text",
        "after \"a\" type \"\\q\"   | there is no \\q",
        "at 1s type \"x\" and more  | is no step",
        "at 99999999999s type \"\"  | give a sooner time",
      })
  void whatIsNoStepIsNamedWithItsLine(String line, String complaint) {
    BadInputException bad =
        assertThrows(BadInputException.class, () -> read("# first\n" + line + "\n"));
    assertTrue(bad.getMessage().contains("script:2: "), bad.getMessage());
    assertTrue(bad.getMessage().contains(complaint), bad.getMessage());
  }

  @Test
  void aFileThatIsNotThereIsNamed() {
    BadInputException bad =
        assertThrows(BadInputException.class, () -> InputScript.read(directory.resolve("nothing")));
    assertTrue(bad.getMessage().contains("nothing"), bad.getMessage());
  }
}
