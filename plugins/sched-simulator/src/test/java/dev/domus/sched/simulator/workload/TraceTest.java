package dev.domus.sched.simulator.workload;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.sched.simulator.Lab;
import dev.domus.sched.simulator.engine.Costs;
import dev.domus.sched.simulator.scenario.Outcome;
import dev.domus.sched.simulator.workload.RecordedTrace.Demand;
import dev.domus.sched.simulator.workload.RecordedTrace.Domain;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TraceTest {
  @TempDir private Path directory;

  private Path file(String text) throws Exception {
    return Files.writeString(directory.resolve("recorded.trace"), text);
  }

  @Test
  void whatIsReplayedIsWhatWasWantedAndNotWhatTheOldSchedulerMadeOfIt() throws Exception {
    Path file =
        file(
            """
            domus-sched-trace 1
            vcpu d7v0 weight=512 cap=50

            # It waits for 100, runs in two slices, sleeps for 300, yields, and is cut off.
            1000 d7v0 wake
            1100 d7v0 run pcpu=3
            1600 d7v0 expired ran=500
            1900 d7v0 run pcpu=1 irq=9
            2000 d7v0 slept
            2300 d7v0 wake
            2300 d7v0 wake
            2400 d7v0 run
            2450 d7v0 yielded ran=40
            2500 d7v0 run
            2600 d7v0 preempted
            2100 d7v1 run
            2150 d7v1 slept ran=7
            """);
    Domain domain = TraceReader.read(file).domains().getFirst();
    assertEquals(512, domain.weight());
    assertEquals(50, domain.cap());
    Demand first = domain.vcpus().get(0);
    assertEquals(0, first.firstWakeNanos());
    assertArrayEquals(new long[] {600, 40, 100}, first.workNanos());
    assertArrayEquals(
        new byte[] {RecordedTrace.SLEEPS, RecordedTrace.YIELDS, RecordedTrace.ENDS}, first.then());
    assertEquals(300, first.sleepNanos()[0]);
    assertEquals(1_300, first.wakeNanos()[0]);
    Demand second = domain.vcpus().get(1);
    assertEquals(1_100, second.firstWakeNanos());
    assertArrayEquals(new long[] {7}, second.workNanos());
    assertArrayEquals(new byte[] {RecordedTrace.ENDS}, second.then());
  }

  @Test
  void aRecordingReplayedUnderTheSameSchedulerIsTheSameHistory() throws Exception {
    Lab lab = new Lab(2, Costs.NONE, 0, Lab.SECOND, 3);
    Path original = directory.resolve("original.trace");
    Path replayed = directory.resolve("replayed.trace");
    Path again = directory.resolve("again.trace");
    try (TraceWriter writer = new TraceWriter(original)) {
      lab.run(Lab.contender(Lab.RR, Map.of()), writer, "io:count=9,work=exp(2ms),wait=exp(3ms)");
    }
    Outcome outcome;
    try (TraceWriter writer = new TraceWriter(replayed)) {
      outcome = lab.run(Lab.contender(Lab.RR, Map.of()), writer, "trace:file=" + original);
    }
    assertTrue(outcome.usedPcpus() > 1.5);
    // A recording begins with its first event, so the replay is earlier by that, and the same.
    try (TraceWriter writer = new TraceWriter(again)) {
      lab.run(Lab.contender(Lab.RR, Map.of()), writer, "trace:file=" + replayed);
    }
    List<String> one = Files.readAllLines(replayed);
    List<String> two = Files.readAllLines(again);
    int same = one.size() - 40; // where the recording was cut off
    assertTrue(same > 1_000);
    assertEquals(one.subList(0, same), two.subList(0, same));
    assertEquals(
        Files.readAllLines(original).subList(0, same).stream().map(TraceTest::withoutTime).toList(),
        one.subList(0, same).stream().map(TraceTest::withoutTime).toList());
  }

  private static String withoutTime(String line) {
    return line.replaceFirst("^\\d+ ", "");
  }

  @Test
  void wakeUpsByTheClockComeWhenTheyDidUnlessTheyAreLate() throws Exception {
    StringBuilder text = new StringBuilder("domus-sched-trace 1\n");
    for (int i = 0; i < 50; i++) {
      long at = i * 10 * Lab.MS;
      text.append("%d d1v0 wake\n%d d1v0 run\n%d d1v0 slept\n".formatted(at, at, at + Lab.MS));
    }
    Path file = file(text.toString());
    Lab lab = new Lab(1, Costs.NONE, 0, 500 * Lab.MS, 3);
    String neighbour = "rt:period=100ms,work=20ms,phase=none";
    Outcome alone = lab.run(Lab.RR, "trace:timing=clock,file=" + file);
    Outcome beside = lab.run(Lab.RR, "trace:timing=clock,file=" + file, neighbour);
    Outcome closed = lab.run(Lab.RR, "trace:timing=sleep,file=" + file, neighbour);
    assertEquals(49, alone.workloads().getFirst().measures().jobs()); // the last is cut off
    assertEquals(49, beside.workloads().getFirst().measures().jobs());
    assertTrue(closed.workloads().getFirst().measures().jobs() < 47);
  }

  @Test
  void copiesOfARecordingFillALargerPool() throws Exception {
    Path file =
        file(
            "domus-sched-trace 1\n0 d1v0 run\n5000000 d1v0 slept\n6000000 d2v0 run\n9000000 d2v0 slept\n");
    Outcome outcome =
        new Lab(8, Costs.NONE, 0, 20 * Lab.MS, 1).run(Lab.RR, "trace:count=4,file=" + file);
    assertEquals(8, outcome.workloads().getFirst().shares().length);
    assertEquals(4 * 8 / 20.0, outcome.usedPcpus(), 1e-6);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "0 d1v0 sleep      | line 3: there is no event sleep; there are wake, run, expired",
        "0 d1 wake         | line 3: there is no vCPU d1; write dDOMAINvNUMBER",
        "x d1v0 wake       | line 3: TIME is x; write a whole number of 0 to",
        "9 d1v0 wake       | line 4: d1v0 goes back from 9 ns",
        "wake              | line 3: write TIME VCPU EVENT",
        "vcpu d1v0 weight=0 | line 3: weight is 0; write a whole number of 1 to 65535",
      })
  void mistakesAreNamedWithTheirLine(String line, String complaint) throws Exception {
    Path file = file("domus-sched-trace 1\n#\n" + line + "\n5 d1v0 run\n");
    UsageException e = assertThrows(UsageException.class, () -> TraceReader.read(file));
    assertTrue(e.getMessage().contains(complaint), e::getMessage);
  }

  @Test
  void whatIsNoRecordingIsNamed() throws Exception {
    assertSays("is no recording", "hello\n");
    assertSays("is empty", "");
    assertSays("has no events", "domus-sched-trace 1\n");
    Path binary = Files.write(directory.resolve("binary"), new byte[] {(byte) 0xff, (byte) 0xfe});
    UsageException e = assertThrows(UsageException.class, () -> TraceReader.read(binary));
    assertTrue(e.getMessage().contains("is no text"), e::getMessage);
  }

  private void assertSays(String complaint, String text) throws Exception {
    Path file = file(text);
    UsageException e = assertThrows(UsageException.class, () -> TraceReader.read(file));
    assertTrue(e.getMessage().contains(complaint), e::getMessage);
  }
}
