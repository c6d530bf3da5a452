package dev.domus.toolstack.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is worked out of records whose story is known. */
class TraceSummaryTest {
  @TempDir private Path directory;

  @Test
  void eachVcpusTimesWaitsAndCountsAreThoseOfItsRecords() throws Exception {
    List<TraceSummary.VcpuLine> lines = TraceSummary.of(Logs.talk().log(directory)).vcpus();
    assertEquals(2, lines.size());
    TraceSummary.VcpuLine one = lines.get(0);
    assertEquals(Logs.ONE, one.vcpu());
    assertEquals(240, one.ranNanos());
    assertEquals(1, one.runs());
    assertEquals(1, one.wakes());
    assertEquals(2, one.hypercalls());
    assertEquals(1, one.faults());
    assertEquals(1, one.latency().count());
    assertEquals(40, one.latency().max(), "woken at 10, ran at 50");
    TraceSummary.VcpuLine two = lines.get(1);
    assertEquals(680, two.ranNanos());
    assertEquals(2, two.runs());
    assertEquals(1, two.latency().count(), "what follows a slice that expired is no wake-up");
    assertEquals(100, two.latency().max(), "woken at 120, ran at 220");
  }

  @Test
  void pcpusHypercallsAndTalkersAreSummedUp() throws Exception {
    TraceSummary summary = TraceSummary.of(Logs.talk().log(directory));
    TraceSummary.PcpuLine first = summary.pcpus().get(0);
    assertEquals(250, first.busyNanos());
    assertEquals(1, first.switches());
    assertEquals(1, first.idlePicks());
    assertEquals(15, first.decisions().max());
    assertEquals(680 + 85, summary.pcpus().get(1).busyNanos());
    assertEquals(
        List.of("event_channel_op/send", "multicall"),
        summary.calls().stream().map(TraceSummary.CallLine::name).sorted().toList());
    assertEquals(List.of(Map.entry(new TraceSummary.Talk(Logs.ONE, 2), 1L)), summary.talks());
  }

  @Test
  void theTextForSimulatorsTellsWhatSchedulersHeard() throws Exception {
    StringWriter text = new StringWriter();
    SchedExport.write(Logs.talk().log(directory), new PrintWriter(text));
    assertEquals(
        """
        domus-sched-trace 1
        vcpu d1v0 weight=512 cap=0
        vcpu d2v0 weight=256 cap=0
        10 d1v0 wake
        50 d1v0 run pcpu=0
        120 d2v0 wake
        220 d2v0 run pcpu=1
        300 d1v0 slept ran=240
        900 d2v0 expired ran=600
        915 d2v0 run pcpu=1
        1000 d2v0 slept ran=80
        """,
        text.toString());
  }

  @Test
  void percentilesAreNotBelowTheTruthAndAtMostThreePercentAbove() {
    Random random = new Random(5);
    long[] values = new long[10_000];
    Distribution distribution = new Distribution();
    for (int i = 0; i < values.length; i++) {
      values[i] = (long) Math.exp(random.nextDouble() * 40) - 1;
      distribution.add(values[i]);
    }
    Arrays.sort(values);
    for (double percent : new double[] {1, 10, 50, 90, 99, 99.9, 100}) {
      long truth = values[(int) Math.ceil(values.length * percent / 100) - 1];
      long told = distribution.percentile(percent);
      assertTrue(told >= truth && told <= truth + truth / 32, truth + " was told as " + told);
    }
    assertEquals(0, new Distribution().percentile(50));
    assertEquals(values[values.length - 1], distribution.max());
    distribution.add(Long.MAX_VALUE);
    assertEquals(Long.MAX_VALUE, distribution.percentile(100));
  }
}
