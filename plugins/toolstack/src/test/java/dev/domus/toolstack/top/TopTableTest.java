package dev.domus.toolstack.top;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** The live view. */
class TopTableTest {
  private static TopSample sample(long seconds, long cpuSeconds, long calls) {
    return new TopSample(
        seconds * 1_000_000_000,
        List.of(
            new TopSample.Domain(
                3,
                "web",
                "running",
                2,
                16384,
                cpuSeconds * 1_000_000_000,
                cpuSeconds * 50_000_000,
                calls)));
  }

  @Test
  void ratesAreThoseBetweenTheTwoSamples() {
    List<String> lines = TopTable.lines(sample(10, 4, 100), sample(14, 10, 900));
    assertEquals(2, lines.size());
    assertEquals(
        List.of("web", "3", "running", "2", "64.0", "10.0", "150.0", "75.0", "200"),
        List.of(lines.get(1).strip().split(" +")));
  }

  @Test
  void aDomainThatIsNewHasNoRatesYet() {
    List<String> lines = TopTable.lines(new TopSample(0, List.of()), sample(4, 10, 900));
    assertTrue(lines.get(1).endsWith(" 0"), lines.get(1));
  }

  @Test
  void inPlaceTheNewTableIsDrawnOverTheOldOneAndElseThereAreNoSequences() {
    for (boolean inPlace : new boolean[] {false, true}) {
      StringWriter text = new StringWriter();
      AtomicLong time = new AtomicLong();
      TopSource source = () -> sample(time.incrementAndGet(), 0, 0);
      TopView view = new TopView(source, new PrintWriter(text), inPlace, Duration.ofMillis(1));
      while (time.get() < 4) {
        Thread.onSpinWait();
      }
      view.close();
      view.close();
      assertEquals(inPlace, text.toString().contains("\033[2A\033[J"), text::toString);
      long tables = text.toString().lines().filter(line -> line.contains("CPU(%)")).count();
      assertEquals(time.get() - 1, tables);
    }
  }
}
