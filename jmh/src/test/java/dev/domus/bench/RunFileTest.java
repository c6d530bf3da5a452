package dev.domus.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.InputSource;

/** What is kept of a run, how two of them compare, and the page. */
class RunFileTest {
  private static final Trial FLOOR = new Trial("a.b.C.floor", 1, Map.of("pages", "1"));
  private static final Trial ONE = new Trial("a.b.C.copy", 1, Map.of("pages", "1"));
  private static final Trial FLOOR_16 = new Trial("a.b.C.floor", 1, Map.of("pages", "16"));
  private static final Trial SIXTEEN = new Trial("a.b.C.copy", 1, Map.of("pages", "16"));

  @TempDir private Path directory;

  private static RunFile run(double nanos, int rounds) {
    return new RunFile(
        RunFile.FORMAT,
        Instant.EPOCH,
        "abc",
        false,
        new MachineInfo("cpu <fast> & \"big\"", 2, 1024, "Linux", "JVM", "never", 0.5),
        List.of(
            new RunFile.Subject("copy", "a page is copied", ONE, FLOOR),
            new RunFile.Subject("copy", "a page is copied", SIXTEEN, FLOOR_16)),
        List.of(
            sample(FLOOR, 10, rounds),
            sample(ONE, nanos, rounds),
            sample(FLOOR_16, 160, rounds),
            sample(SIXTEEN, nanos * 16, rounds)),
        List.of());
  }

  private static Sample sample(Trial trial, double nanos, int rounds) {
    List<Double> values = List.of(nanos, nanos * 1.01, nanos * 0.99, nanos * 1.02);
    return new Sample(trial, java.util.Collections.nCopies(rounds, values), 0);
  }

  @Test
  void aRunIsReadAsItWasWritten() throws Exception {
    Path file = directory.resolve("run.json");
    RunFile run = run(25, 3);
    run.write(file);
    assertEquals(run, RunFile.read(file));
    try (var files = Files.list(directory)) {
      assertEquals(List.of(file), files.toList());
    }
  }

  @Test
  void whatIsNoRunIsRefusedByName() throws Exception {
    Path file = directory.resolve("other");
    for (String text :
        List.of("", "{", "[]", "{}", "{\"format\": \"domus-bench-1\"}", "{\"a\": 1}")) {
      Files.writeString(file, text);
      BadInputException bad = assertThrows(BadInputException.class, () -> RunFile.read(file), text);
      assertTrue(bad.getMessage().startsWith(file.toString()), bad.getMessage());
    }
    BadInputException bad =
        assertThrows(BadInputException.class, () -> RunFile.read(directory.resolve("none")));
    assertTrue(bad.getMessage().contains("cannot be read"), bad.getMessage());
  }

  @Test
  void aRunOfAnotherFormatIsNotTakenForOneOfThis() throws Exception {
    Path file = directory.resolve("run.json");
    run(25, 3).write(file);
    Files.writeString(file, Files.readString(file).replace(RunFile.FORMAT, "domus-bench-0"));
    BadInputException bad = assertThrows(BadInputException.class, () -> RunFile.read(file));
    assertTrue(bad.getMessage().contains("domus-bench-0"), bad.getMessage());
  }

  @Test
  void aSlowerBenchmarkIsBeyondABoundOnlyIfBeyondDoubt() {
    Comparison slower = Comparison.of(run(25, 3), run(30, 3));
    assertEquals("slower", slower.changes().getFirst().verdict());
    assertEquals(1.2, slower.changes().getFirst().toFloor(), 0.001);
    assertEquals(2, slower.beyond(10).size());
    assertEquals(0, slower.beyond(25).size());
    assertEquals("faster", Comparison.of(run(30, 3), run(25, 3)).changes().getFirst().verdict());
    assertEquals(
        "no change shown", Comparison.of(run(25, 3), run(25, 3)).changes().getFirst().verdict());
  }

  @Test
  void oneRoundIsNoVerdict() {
    Comparison one = Comparison.of(run(25, 1), run(50, 1));
    assertEquals("too few rounds", one.changes().getFirst().verdict());
    assertEquals(0, one.beyond(1).size());
  }

  @Test
  void thePageIsWellFormedSaysWhatWasMeasuredAndRefersToNothingElse() throws Exception {
    Path file = directory.resolve("report.html");
    new HtmlReport(run(25, 3), Optional.of(Comparison.of(run(20, 3), run(25, 3)))).write(file);
    String html = Files.readString(file);
    String xml = html.replace("<!DOCTYPE html>", "").replace("<meta charset=\"utf-8\">", "");
    var page =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(new InputSource(new StringReader(xml)));
    assertEquals(2, page.getElementsByTagName("svg").getLength()); // against pages; distribution
    assertEquals(2, page.getElementsByTagName("table").getLength());
    assertEquals(2, page.getElementsByTagName("polyline").getLength());
    assertTrue(html.contains("cpu &lt;fast&gt; &amp; &quot;big&quot;"));
    assertTrue(html.contains("slower"));
    assertFalse(html.replace("http://www.w3.org/2000/svg", "").contains("http"));
  }
}
