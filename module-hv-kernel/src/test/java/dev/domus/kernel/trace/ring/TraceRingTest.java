package dev.domus.kernel.trace.ring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.trace.Trace;
import dev.domus.kernel.trace.TraceBatch;
import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceReader;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.kernel.trace.TraceSpec;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import javax.management.JMException;
import javax.management.ObjectName;
import org.junit.jupiter.api.Test;

/** Buffers of records: order, loss, and readers beside writers. */
class TraceRingTest {
  private final AtomicLong time = new AtomicLong();
  private final Tracer tracer = new Tracer(time::incrementAndGet);

  private static void write(TraceRing ring, long n) {
    ring.write(n, ~n, n * 3, n * 5);
  }

  private static void checkRecord(TraceBatch batch, int i) {
    long[] words = batch.words();
    int at = i * TraceRecord.WORDS;
    long n = batch.first() + i;
    assertEquals(n, words[at]);
    assertEquals(~n, words[at + 1]);
    assertEquals(n * 3, words[at + 2]);
    assertEquals(n * 5, words[at + 3]);
  }

  @Test
  void recordsAreReadInTheOrderInWhichTheyWereWritten() {
    TraceRing ring = new TraceRing(7, 16);
    TraceBatch batch = new TraceBatch(5);
    for (long n = 0; n < 12; n++) {
      write(ring, n);
    }
    long position = 0;
    int seen = 0;
    for (long next; (next = ring.read(position, batch)) != position; position = next) {
      assertEquals(7, batch.buffer());
      assertEquals(0, batch.lost());
      assertEquals(seen, batch.first());
      for (int i = 0; i < batch.count(); i++) {
        checkRecord(batch, i);
      }
      seen += batch.count();
    }
    assertEquals(12, seen);
  }

  @Test
  void whatWasOverwrittenIsCountedAsLostAndTheNewestIsThere() {
    TraceRing ring = new TraceRing(0, 16);
    TraceBatch batch = new TraceBatch(100);
    for (long n = 0; n < 1_000; n++) {
      write(ring, n);
    }
    assertEquals(1_000, ring.read(3, batch));
    assertEquals(1_000 - 16, batch.first());
    assertEquals(1_000 - 16 - 3, batch.lost());
    assertEquals(16, batch.count());
    for (int i = 0; i < batch.count(); i++) {
      checkRecord(batch, i);
    }
  }

  @Test
  void aReaderBesideAWriterSeesWholeRecordsOnlyAndCountsTheOthers() throws InterruptedException {
    TraceRing ring = new TraceRing(0, 64);
    long total = 3_000_000;
    Thread writer =
        new Thread(() -> {
          for (long n = 0; n < total; n++) {
            write(ring, n);
          }
        });
    writer.start();
    TraceBatch batch = new TraceBatch(48);
    long position = 0;
    long seen = 0;
    long lost = 0;
    while (position < total) {
      position = ring.read(position, batch);
      for (int i = 0; i < batch.count(); i++) {
        checkRecord(batch, i);
      }
      seen += batch.count();
      lost += batch.lost();
    }
    writer.join();
    assertEquals(total, seen + lost);
  }

  @Test
  void threadsThatShareBuffersNeitherMixRecordsNorLoseOneUncounted() throws InterruptedException {
    int writers = 6;
    int each = 20_000;
    Trace.Session session =
        tracer.start(new TraceSpec(EnumSet.of(TraceEvent.EVENT), 1 << 17, false));
    List<Thread> threads = new ArrayList<>();
    for (int w = 0; w < writers; w++) {
      int domid = w;
      threads.add(
          Thread.ofPlatform()
              .start(() -> {
                for (int i = 0; i < each; i++) {
                  tracer.event(domid, domid + 100, i);
                }
              }));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    session.close();
    int[] seen = new int[writers];
    TraceReader reader = session.reader();
    TraceBatch batch = new TraceBatch(1 << 10);
    int[][] lastInBuffer = new int[64][writers];
    for (int[] row : lastInBuffer) {
      Arrays.fill(row, -1);
    }
    while (reader.next(batch)) {
      for (int i = 0; i < batch.count(); i++) {
        long head = batch.words()[i * TraceRecord.WORDS + TraceRecord.HEAD];
        int port = (int) batch.words()[i * TraceRecord.WORDS + TraceRecord.A];
        int w = TraceRecord.domid(head);
        assertEquals(TraceEvent.EVENT.code(), TraceRecord.code(head));
        assertEquals(w + 100, TraceRecord.vcpu(head));
        assertEquals(TraceRecord.NO_PCPU, TraceRecord.pcpu(head));
        assertTrue(port > lastInBuffer[batch.buffer()][w], "one thread's records stay in order");
        lastInBuffer[batch.buffer()][w] = port;
        seen[w]++;
      }
    }
    long sum = 0;
    for (int s : seen) {
      sum += s;
    }
    assertEquals((long) writers * each, sum + session.dropped() + reader.lost());
    assertEquals(0, reader.lost());
  }

  @Test
  void readersDoNotTakeRecordsFromOneAnother() {
    Trace.Session session = tracer.start(TraceSpec.everything());
    tracer.wake(tracer.beforeWake(), 1, 0);
    tracer.enqueue(1, 0);
    assertEquals(2, countOf(session.reader()));
    assertEquals(2, countOf(session.reader()));
    session.close();
    assertEquals(2, countOf(session.reader()), "after the end, too");
  }

  private static int countOf(TraceReader reader) {
    TraceBatch batch = new TraceBatch(16);
    int count = 0;
    while (reader.next(batch)) {
      count += batch.count();
    }
    return count;
  }

  @Test
  void onlyWhatWasAskedForIsRecordedAndNoClockIsReadForTheRest() {
    Trace.Session session = tracer.start(new TraceSpec(Set.of(TraceEvent.HYPERCALL), 16, false));
    long before = time.get();
    assertEquals(Tracer.OFF, tracer.beforeWake());
    tracer.wake(Tracer.OFF, 1, 0);
    tracer.enqueue(1, 0);
    assertEquals(Tracer.OFF, tracer.beforePick());
    tracer.pickIdle(Tracer.OFF);
    tracer.switchIn(1, 0, 5);
    tracer.fault(1, 0, 14, 0, 0);
    assertEquals(before, time.get());
    tracer.hypercall(tracer.beforeHypercall(), 1, 0, 17, 3, -38);
    TraceBatch batch = new TraceBatch(16);
    TraceReader reader = session.reader();
    assertTrue(reader.next(batch));
    assertEquals(1, batch.count());
    long[] words = batch.words();
    assertEquals(3, TraceRecord.detail(words[TraceRecord.HEAD]));
    assertEquals(17, TraceRecord.high(words[TraceRecord.A]));
    assertEquals(1, TraceRecord.low(words[TraceRecord.A]), "one tick of the clock");
    assertEquals(-38, words[TraceRecord.B]);
    assertFalse(reader.next(batch));
    session.close();
  }

  @Test
  void offMeansThatNothingIsWrittenAndASecondSessionBeginsEmpty() {
    tracer.enqueue(1, 0);
    assertEquals(0, time.get());
    Trace.Session first = tracer.start(TraceSpec.everything());
    assertThrows(IllegalStateException.class, () -> tracer.start(TraceSpec.everything()));
    tracer.enqueue(1, 0);
    first.close();
    first.close();
    tracer.enqueue(2, 0);
    Trace.Session second = tracer.start(TraceSpec.everything());
    first.close();
    tracer.enqueue(3, 0);
    assertEquals(1, countOf(first.reader()));
    assertEquals(1, countOf(second.reader()), "the end of the first is not the second's");
  }

  @Test
  void aThreadsBufferPassesToTheNextThreadWithItsNumbersGoingOn() throws InterruptedException {
    Trace.Session session = tracer.start(TraceSpec.everything());
    for (int i = 0; i < 3; i++) {
      Thread thread = new Writer(tracer, i);
      thread.start();
      thread.join();
    }
    TraceReader reader = session.reader();
    TraceBatch batch = new TraceBatch(16);
    List<Integer> pcpus = new ArrayList<>();
    Set<Integer> buffers = new HashSet<>();
    while (reader.next(batch)) {
      buffers.add(batch.buffer());
      for (int i = 0; i < batch.count(); i++) {
        pcpus.add(TraceRecord.pcpu(batch.words()[i * TraceRecord.WORDS + TraceRecord.HEAD]));
      }
    }
    assertEquals(List.of(0, 1, 2), pcpus);
    assertEquals(1, buffers.size());
  }

  @Test
  void nothingIsAllocatedWhileRecordsAreWritten() throws InterruptedException {
    tracer.start(new TraceSpec(EnumSet.allOf(TraceEvent.class), 1 << 10, false));
    AtomicLong allocated = new AtomicLong(-1);
    AtomicBoolean warm = new AtomicBoolean();
    Thread writer =
        new TracedThread("writer") {
          @Override
          public int pcpu() {
            return 0;
          }

          @Override
          public int currentVcpu() {
            return -1;
          }

          @Override
          public void run() {
            writeMany(10_000);
            warm.set(true);
            long before = allocatedHere();
            writeMany(100_000);
            allocated.set(allocatedHere() - before);
          }
        };
    writer.start();
    writer.join();
    assertTrue(warm.get());
    assertTrue(
        allocated.get() < 100_000, "500,000 records allocated " + allocated.get() + " bytes");
  }

  /** Bytes that this thread has allocated; asking allocates a little. */
  private static long allocatedHere() {
    try {
      return (Long)
          ManagementFactory.getPlatformMBeanServer()
              .invoke(
                  new ObjectName(ManagementFactory.THREAD_MXBEAN_NAME),
                  "getThreadAllocatedBytes",
                  new Object[] {Thread.currentThread().threadId()},
                  new String[] {"long"});
    } catch (JMException e) {
      throw new AssertionError(e);
    }
  }

  private void writeMany(int rounds) {
    for (int i = 0; i < rounds; i++) {
      tracer.wake(tracer.beforeWake(), 1, 0);
      tracer.pick(tracer.beforePick(), 1, 0, 10);
      tracer.hypercall(tracer.beforeHypercall(), 1, 0, 29, 1, 0);
      tracer.event(1, 0, i);
      tracer.switchOut(1, 0, 1, 1, 10, i);
    }
  }

  private static final class Writer extends TracedThread {
    private final Tracer tracer;
    private final int pcpu;

    Writer(Tracer tracer, int pcpu) {
      super("writer-" + pcpu);
      this.tracer = tracer;
      this.pcpu = pcpu;
    }

    @Override
    public int pcpu() {
      return pcpu;
    }

    @Override
    public int currentVcpu() {
      return -1;
    }

    @Override
    public void run() {
      tracer.enqueue(1, 0);
      leaveTrace();
    }
  }
}
