package dev.domus.sched.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.plugin.UsageException;
import java.io.ByteArrayInputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;

class SimulateCommandTest {
  @TempDir private Path directory;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int simulate(String... args) throws UsageException {
    return new SimulateSubcommand()
        .run(List.of(args), Lab.pool(1, 1), new PrintWriter(out, true), new PrintWriter(err, true));
  }

  private String printed(String... args) throws UsageException {
    out.getBuffer().setLength(0);
    assertEquals(0, simulate(args));
    return out.toString();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--scheduler fair               | there is no scheduler \"fair\"; there is rr, credit, eevdf",
        "--scheduler eevdf:tslice=3     | scheduler eevdf has no parameter tslice, which belongs to credit",
        "--scheduler eevdf:slice        | \"slice\" is no parameter; write eevdf:PARAMETER=VALUE",
        "--scheduler eevdf:slice=1      | slice must be in 100",
        "--pcpus 0                      | --pcpus: is 0, and has to be 1 to 4096",
        "--vcpus 2000000                | --vcpus: is 2000000, and has to be 1 to 1000000",
        "--time 2                       | --time: \"2\" is no time of an hour or less; write a number with ns, us",
        "--time 0s                      | --time: is 0; write more",
        "--switch-cost 1s               | --switch-cost: is 1s, and at most 100 ms can be simulated",
        "--preset fast                  | --preset",
        "--speed 9                      | --speed",
        "--workload disk                | there is no kind \"disk\"; there are cpu, io, rt, bursty, lock, trace",
        "--workload cpu:wait=0          | cpu:wait=0: there is no setting wait (=0); there are start, weight",
        "--workload cpu:weight=0        | weight=0 is not understood; write a number of 1 to 65535",
        "--workload cpu:weight          | \"weight\" is no setting; write NAME=VALUE",
        "--workload cpu:cap=1,cap=2     | cap is there twice",
        "--workload cpu:affinity=4      | affinity=4 is not understood; write pCPUs of 0 to 3",
        "--workload io:wait=exp(2)      | wait=exp(2) is not understood; write a number with ns, us, ms or s",
        "--workload io:work=0s,wait=0s  | work and wait make less than 1 us on average",
        "--workload rt:deadline=0ms     | deadline=0ms is not understood",
        "--workload rt:phase=full       | phase=full is not understood; write one of random, none",
        "--workload lock:locks=0        | locks=0 is not understood; write a number of 1 to 1000",
        "--workload cpu:best.slice=1    | there is no scheduler best",
        "--workload cpu:eevdf.cut=1     | scheduler eevdf has no unit parameter cut; it has: slice",
        "--workload trace               | a recording is missing; write file=NAME",
        "--workload trace:file=/none    | /none: cannot be read (NoSuchFileException)",
        "--workload-file /none          | /none: cannot be read",
        "--vcpus 5 --workload cpu:count=4 | --vcpus is 5, but the workloads with a count have 4",
        "--record /none/x               | --record: a recording is of one scheduler, and there are 3",
        "--record /none/x --scheduler rr --time 1ms | --record: /none/x cannot be written",
        "--html /none/x                 | --html: /none/x cannot be written",
      })
  void mistakesAreNamedWithTheirRemedy(String line, String complaint) {
    UsageException e = assertThrows(UsageException.class, () -> simulate(line.split(" +")));
    assertTrue(e.getMessage().contains(complaint), e::getMessage);
    assertEquals(1, e.getMessage().lines().count());
    assertEquals("", out.toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{}                            | is no JSON array",
        "[1]                           | holds something else than objects",
        "[{\"weight\": 1}]             | workload 1: has no \"kind\"",
        "[{\"kind\": \"cpu\", \"weight\": [1]}] | workload 1: weight is no text and no number",
        "[{\"kind\": \"cpu\", \"weight\": \"x\"}] | workload 1: weight=x is not understood",
        "[{\"kind\": }]                | line 1: Unexpected character",
      })
  void mistakesInAFileAreNamedWithTheirPlace(String json, String complaint) throws Exception {
    Path file = Files.writeString(directory.resolve("work.json"), json);
    UsageException e =
        assertThrows(UsageException.class, () -> simulate("--workload-file", file.toString()));
    assertTrue(e.getMessage().contains(complaint), e::getMessage);
    assertTrue(e.getMessage().startsWith(file.toString()), e::getMessage);
  }

  @Test
  void aFileSaysTheSameAsTheCommandLine() throws Exception {
    Path file =
        Files.writeString(
            directory.resolve("work.json"),
            "[{\"kind\": \"cpu\", \"weight\": 512}, {\"kind\": \"io\", \"count\": 3, \"work\": \"exp(1ms)\"}]");
    String[] common = {"--reproducible", "--time", "200ms", "--json"};
    String fromFile = printed(with(common, "--workload-file", file.toString()));
    String fromLine =
        printed(
            with(common, "--workload", "cpu:weight=512", "--workload", "io:count=3,work=exp(1ms)"));
    assertEquals(fromLine, fromFile);
  }

  private static String[] with(String[] common, String... more) {
    List<String> all = new java.util.ArrayList<>(List.of(common));
    all.addAll(List.of(more));
    return all.toArray(String[]::new);
  }

  @Test
  void theSameSeedGivesTheSameReportAndAnotherSeedAnother() throws Exception {
    Path page = directory.resolve("page.html");
    String[] common = {"--reproducible", "--time", "300ms", "--html", page.toString(), "--json"};
    String first = printed(with(common, "--seed", "5"));
    String firstPage = Files.readString(page);
    assertEquals(first, printed(with(common, "--seed", "5")));
    assertEquals(firstPage, Files.readString(page));
    assertNotEquals(first, printed(with(common, "--seed", "6")));
    assertFalse(first.contains("hostNanos"));
  }

  @Test
  void vcpusAreSharedAmongWorkloadsWithoutACount() throws Exception {
    String json =
        printed(
            "--json",
            "--time",
            "1ms",
            "--vcpus",
            "21",
            "--workload",
            "cpu:count=1",
            "--workload",
            "cpu",
            "--workload",
            "lock");
    assertTrue(json.contains("\"vcpus\" : 19"), json); // 1, 10, and 2 domains of 4
    String few = printed("--json", "--time", "1ms", "--vcpus", "12", "--preset", "mixed");
    assertTrue(few.contains("\"vcpus\" : 12"), few); // the domain with locks has 2
  }

  @Test
  void aSchedulerThatFailsEndsItsColumnAndTheOthersGoOn() throws Exception {
    Path page = directory.resolve("page.html");
    String[] line = {
      "--scheduler", "throws,rr", "--time", "50ms", "--workload", "io", "--html", page.toString()
    };
    assertEquals(1, simulate(line));
    String text = out.toString();
    assertTrue(text.contains("throws: THREW at "), text);
    assertTrue(
        text.contains("put(d1v0, SLEPT) threw java.lang.IllegalStateException: tired"), text);
    assertTrue(text.contains("its time"), text);
    assertTrue(Files.readString(page).contains("tired"));
  }

  @Test
  void helpNamesEveryKindOfWorkload() throws Exception {
    String help = printed("--help");
    for (String kind : List.of("cpu", "io", "rt", "bursty", "lock", "trace", "--interrupt-cost")) {
      assertTrue(help.contains(kind), kind);
    }
  }

  @ParameterizedTest
  @EnumSource(dev.domus.sched.simulator.workload.Preset.class)
  void everyPresetMakesAPageThatIsWellFormedAndNeedsNothingElse(
      dev.domus.sched.simulator.workload.Preset preset) throws Exception {
    Path page = directory.resolve("page.html");
    printed("--preset", preset.name(), "--time", "200ms", "--html", page.toString());
    String html = Files.readString(page);
    for (String outside : List.of("http", "src=", "href", "url(", "@import", "<script", "<link")) {
      assertFalse(html.contains(outside), outside);
    }
    Document document = parse(html);
    NodeList plots = document.getElementsByTagName("figure");
    assertTrue(plots.getLength() >= 3, "plots=" + plots.getLength());
    for (int i = 0; i < plots.getLength(); i++) {
      assertTrue(plots.item(i).getTextContent().strip().length() > 20);
    }
    assertFalse(html.contains("NaN"));
    assertFalse(html.contains("Infinity"));
  }

  @Test
  void namesCannotBreakThePage() throws Exception {
    Path page = directory.resolve("page.html");
    printed(
        "--time",
        "50ms",
        "--html",
        page.toString(),
        "--workload",
        "cpu:name=<b>&\"x\"</b>",
        "--workload",
        "io:name=<script>");
    String html = Files.readString(page);
    parse(html);
    assertTrue(html.contains("&lt;b&gt;&amp;&quot;x&quot;"), html);
    assertFalse(html.contains("<script"));
  }

  private static Document parse(String html) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new ByteArrayInputStream(html.getBytes(StandardCharsets.UTF_8)));
  }
}
