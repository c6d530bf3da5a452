package dev.domus.iommu;

import static dev.domus.iommu.IoDomain.READ;
import static dev.domus.iommu.TestMachine.DEVICE;
import static dev.domus.iommu.TestMachine.FRAME;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Descriptors, bit by bit: what each makes the caches forget, and what stops the queue. */
class InvalidationQueueTest {
  private final TestMachine machine = TestMachine.usual();
  private final IommuUnit unit = machine.unit;
  private final InvalidationQueue queue = unit.queue();
  private final IoDomain domain = unit.newDomain();
  private final DmaPort port = unit.newPort(DEVICE);
  private final MemorySegment buffer = MemorySegment.ofArray(new long[1]);
  private long did;

  @BeforeEach
  void map() {
    did = (long) domain.id() << 16;
    unit.attach(DEVICE, domain);
    domain.map(0x10_0000, 0x100, 16, READ);
    for (int page = 0; page < 16; page++) {
      machine.mark(0x100 + page, page);
      assertTrue(reaches(page));
    }
    domain.withdraw(0x10_0000, 16);
  }

  @AfterEach
  void close() {
    machine.close();
  }

  /** Whether the device still reaches a page that is no longer in the tables. */
  private boolean reaches(int page) {
    return port.read(0x10_0000 + (long) page * FRAME, buffer, 0, 8) == DmaPort.OK;
  }

  private int reached() {
    int reached = 0;
    for (int page = 0; page < 16; page++) {
      reached += reaches(page) ? 1 : 0;
    }
    return reached;
  }

  @Test
  void withdrawnIsNotInvalidated() {
    assertEquals(16, reached());
    domain.flush();
    assertEquals(0, reached());
  }

  @ParameterizedTest
  @CsvSource({"0, 1", "1, 2", "2, 4", "4, 16"})
  void pagesAreForgottenByTheirMask(int order, int forgotten) {
    queue.submit(0x32 | did, 0x10_0000 | order);
    assertEquals(16, reached(), "not before the queue is rung");
    assertTrue(queue.ring());
    assertEquals(16 - forgotten, reached());
  }

  @Test
  void aDomainOrEverythingIsForgotten() {
    queue.submit(0x22 | (did ^ 0x7_0000), 0);
    assertTrue(queue.ring());
    assertEquals(16, reached(), "another domain's");
    queue.submit(0x22 | did, 0);
    assertTrue(queue.ring());
    assertEquals(0, reached());
    map();
    queue.submit(0x12, 0);
    assertTrue(queue.ring());
    assertEquals(0, reached());
  }

  @Test
  void aContextIsForgotten() {
    unit.requesters().clear(DEVICE.value());
    assertEquals(16, reached());
    queue.submit(0x31 | did | (DEVICE.value() ^ 8L) << 32, 0);
    queue.ring();
    assertEquals(16, reached(), "another device's");
    queue.submit(0x31 | did | (DEVICE.value() ^ 3L) << 32 | 3L << 48, 0);
    queue.ring();
    assertEquals(0, reached(), "the function masked out");
  }

  @Test
  void aWaitIsDoneAfterWhatIsBeforeIt() {
    long at = machine.frame(0) * FRAME;
    AtomicInteger events = new AtomicInteger();
    queue.onWait(events::incrementAndGet);
    queue.domain(domain.id());
    queue.waitAndWrite(at + 8, 0x55);
    queue.submit(0x15, 0);
    assertEquals(0, machine.at(at + 8));
    assertTrue(queue.ring());
    assertEquals(0x55, machine.at(at + 8));
    assertEquals(1, events.get());
    assertEquals(0, reached());
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "3, 0",
    "f, 0",
    "2, 0",
    "1, 0",
    "32, 0",
    "10000022, 0",
    "100000012, 0",
    "112, 0",
    "10032, 80",
    "10032, 2e",
    "71, 0",
    "4000000000031, 0",
    "31, 1",
    "85, 0",
    "25, 1",
    "25, fffffffffffffffc",
    "25, 1000000",
    "20000004, 1"
  })
  void aBadDescriptorStopsTheQueueUntilItIsSkipped(String low, String high) {
    queue.submit(Long.parseUnsignedLong(low, 16), Long.parseUnsignedLong(high, 16));
    queue.submit(0x22 | did, 0);

    assertFalse(queue.ring());
    assertTrue(queue.hasError());
    assertEquals(16, reached());
    assertFalse(queue.ring());
    assertTrue(queue.skipBad());
    assertEquals(0, reached());
  }

  @Test
  void aFullQueueIsProcessedAndAStoppedOneSaysSo() {
    for (int i = 0; i < 3 * queue.size(); i++) {
      queue.everything();
    }
    assertEquals(0, reached());
    queue.ring();
    queue.submit(0, 0);
    for (int i = 2; i < queue.size(); i++) {
      queue.everything();
    }
    assertThrows(IllegalStateException.class, queue::everything);
    assertTrue(queue.skipBad());
  }

  @Test
  void theWordsInTheRingAreTheDescriptors() {
    queue.pages(5, 0x1234_5000, 3, true);
    long low = 0x2 | 3 << 4 | 3 << 6 | 5 << 16;
    long high = 0x1234_5000 | 1 << 6 | 3;
    boolean found = false;
    for (long ma = 0; ma < machine.segment().byteSize(); ma += FRAME) {
      found |=
          machine.segment().get(ValueLayout.JAVA_LONG, ma) == low
              && machine.segment().get(ValueLayout.JAVA_LONG, ma + 8) == high;
    }
    assertTrue(found);
  }
}
