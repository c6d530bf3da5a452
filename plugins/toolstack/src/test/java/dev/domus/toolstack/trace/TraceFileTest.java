package dev.domus.toolstack.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.toolstack.BadInputException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Recorded traces as files. */
class TraceFileTest {
  @TempDir private Path directory;

  @Test
  void whatWasWrittenIsReadInTheOrderOfTimes() throws Exception {
    Logs logs = new Logs().label("domain/3", "a\tname\nof three");
    int[] times = IntStream.range(0, 1_000).map(i -> new Random(i).nextInt(500)).toArray();
    for (int i = 0; i < times.length; i++) {
      logs.add(times[i], TraceEvent.EVENT, 1, TraceRecord.vcpuKey(3, 2), 0, i, -1);
    }
    Path file = directory.resolve("t");
    logs.write(file, 7, 12);
    TraceLog log = TraceFormat.read(file);
    assertEquals(new TraceLog.Losses(12, 0, true), log.losses());
    assertEquals("a name of three", log.domainLabel(3));
    Integer[] expected = IntStream.range(0, times.length).boxed().toArray(Integer[]::new);
    Arrays.sort(expected, (x, y) -> Integer.compare(times[x], times[y])); // stable
    assertEquals(times.length, log.size());
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], (int) log.a(i));
      assertEquals(times[expected[i]], log.time(i));
      assertEquals(TraceRecord.vcpuKey(3, 2), log.vcpu(i));
    }
  }

  @Test
  void aFileThatWasCutOffIsReadAsFarAsItGoes() throws Exception {
    Path file = directory.resolve("t");
    Logs.talk().write(file, 4, 0);
    byte[] whole = Files.readAllBytes(file);
    int before = 0;
    for (int length = TraceFile.HEADER_BYTES; length < whole.length; length += 13) {
      Files.write(file, Arrays.copyOf(whole, length));
      TraceLog log = TraceFormat.read(file);
      assertFalse(log.losses().complete());
      assertTrue(log.size() >= before);
      before = log.size();
    }
    assertEquals(20, before);
  }

  @Test
  void noChangeOfBytesLeadsToAnythingButAMessage() throws Exception {
    Path file = directory.resolve("t");
    Logs.talk().write(file, 4, 0);
    byte[] whole = Files.readAllBytes(file);
    Random random = new Random(1);
    int refused = 0;
    for (int i = 0; i < 3_000; i++) {
      byte[] changed = whole.clone();
      for (int n = random.nextInt(1, 4); n > 0; n--) {
        changed[random.nextInt(changed.length)] = (byte) random.nextInt();
      }
      Files.write(file, changed);
      try {
        TraceLog log = TraceFormat.read(file);
        TraceSummary.of(log);
        for (TraceFormat format :
            new TraceFormat[] {TraceFormat.PERFETTO, TraceFormat.JSON, TraceFormat.SCHED}) {
          format.write(log, OutputStream.nullOutputStream());
        }
      } catch (BadInputException e) {
        refused++;
        assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
      }
    }
    assertTrue(refused > 100, "refused=" + refused);
  }

  @Test
  void otherFilesAreNamedAndTheRemedyIsSaid() throws Exception {
    Path text =
        Files.writeString(
            directory.resolve("x.pftrace"), "something else that is longer than a header");
    for (Path file : new Path[] {text, directory.resolve("absent"), directory}) {
      BadInputException e = assertThrows(BadInputException.class, () -> TraceFormat.read(file));
      assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
    }
    assertTrue(
        assertThrows(BadInputException.class, () -> TraceFormat.read(text))
            .getMessage()
            .contains("domus run --trace"));
  }
}
