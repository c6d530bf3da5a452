package dev.domus.kernel.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.plugin.Host.HypercallInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** docs/hypercalls.md is what the code says of itself. */
final class HypercallDocumentTest {
  private static final Path DOCUMENT =
      Path.of(System.getProperty("domus.root"), "docs", "hypercalls.md");

  /** Set to true, the system property has the test write the document instead. */
  private static final String WRITE = "domus.writeDocuments";

  @Test
  void theDocumentIsWhatTheCodeSaysOfItself() throws IOException {
    String generated = document(new HypercallTable().list());
    if (Boolean.getBoolean(WRITE)) {
      Files.writeString(DOCUMENT, generated);
    }
    assertEquals(
        generated,
        Files.readString(DOCUMENT),
        "docs/hypercalls.md is old; the test writes it with -D%s=true".formatted(WRITE));
  }

  private static String document(List<HypercallInfo> calls) {
    StringBuilder text =
        new StringBuilder(
            """
            # Hypercalls

            Every hypercall of the ABI and its sub-operations, as `domus hypercalls` lists them. *done*: as the ABI has it. *refused*: answered
            with an error on purpose. *absent*: not built, answered as a command that does not exist, mostly −ENOSYS. This file is
            written by `HypercallDocumentTest` from what stands beside the code of each hypercall, and that test fails when the two
            differ: `./domus mvn -q test -pl module-hv-kernel -am -Dtest=HypercallDocumentTest -Dsurefire.failIfNoSpecifiedTests=false
            -Ddomus.testArgs=-Ddomus.writeDocuments=true` writes it anew. `SubopsTest` makes every call and compares the answers.

            """);
    for (String state : List.of("done", "refused", "absent")) {
      long count = calls.stream().filter(call -> call.state().equals(state)).count();
      text.append("%s%s %d".formatted(state.equals("done") ? "" : ", ", state, count));
    }
    text.append(".\n\n| no. | hypercall | sub-operation | state | why |\n|---|---|---|---|---|\n");
    for (HypercallInfo call : calls) {
      String subop =
          call.command().isPresent()
              ? "%d %s".formatted(call.command().getAsInt(), call.subop())
              : "";
      text.append(
          "| %d | %s | %s | %s | %s |\n"
              .formatted(call.number(), call.name(), subop, call.state(), call.why()));
    }
    return text.toString();
  }
}
