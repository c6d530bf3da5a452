package dev.domus.dma.modes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.IoDomain;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How long deferred leaves open what was unmapped. */
@Timeout(60)
class DeferredTest {
  private static final int BOTH = IoDomain.READ | IoDomain.WRITE, BATCH = 8;
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final long NEVER = TimeUnit.HOURS.toNanos(1);

  private final Lab lab = new Lab(0);
  private final long[] mfns = lab.frames(16);
  private final MemorySegment buffer = MemorySegment.ofArray(new long[512]);

  @AfterEach
  void close() {
    lab.close();
  }

  private boolean reads(long address) {
    return lab.port.read(address, buffer, 0, 8) == DmaPort.OK;
  }

  private long map(Deferred mode, int page) {
    return mode.map(lab.space, mfns[page], 1, BOTH, Long.MAX_VALUE);
  }

  @Test
  void aFullBatchIsFlushedByWhoFilledIt() {
    Deferred mode = new Deferred(lab, BATCH, NEVER);
    long[] addresses = new long[BATCH];
    for (int i = 0; i < BATCH; i++) {
      addresses[i] = map(mode, i);
      assertTrue(reads(addresses[i])); // cached
    }
    for (int i = 0; i < BATCH - 1; i++) {
      mode.unmap(lab.space, addresses[i], 1);
      assertEquals(i + 1, mode.open());
      assertTrue(reads(addresses[i]), "this is what deferred leaves open");
    }
    mode.unmap(lab.space, addresses[BATCH - 1], 1);
    assertEquals(0, mode.open());
    for (long address : addresses) {
      assertFalse(reads(address));
    }
    assertNotEquals(0, mode.longestOpenNanos());
    mode.close();
  }

  @Test
  void ageIsBoundedThoughNobodyUnmapsAnyMore() {
    Deferred mode = new Deferred(lab, 1000, TimeUnit.MILLISECONDS.toNanos(10));
    for (int round = 0; round < 5; round++) {
      long address = map(mode, round);
      assertTrue(reads(address));
      mode.unmap(lab.space, address, 1);
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
      while (mode.open() != 0 && System.nanoTime() - deadline < 0) {
        Thread.onSpinWait();
      }
      assertEquals(0, mode.open(), "the timer has not come");
      assertFalse(reads(address));
    }
    long longest = mode.longestOpenNanos();
    assertTrue(longest > 0 && longest < TimeUnit.SECONDS.toNanos(20), () -> "nanos=" + longest);
    mode.close();
  }

  /** A device that reads all the time, through what it has cached, while frames change hands. */
  @Test
  void afterSettlingNobodyReadsTheNextOwnersData() throws Exception {
    Deferred mode = new Deferred(lab, 64, TimeUnit.MILLISECONDS.toNanos(1));
    AtomicLong target = new AtomicLong(map(mode, 0));
    AtomicLong leaks = new AtomicLong();
    AtomicLong reads = new AtomicLong();
    Thread device =
        Thread.ofPlatform()
            .start(() -> {
              while (target.get() != 0) {
                if (reads(target.get())) {
                  reads.incrementAndGet();
                  if (buffer.get(ValueLayout.JAVA_LONG, 0) != 0) {
                    leaks.incrementAndGet();
                  }
                }
              }
            });
    for (int round = 0; round < 2000; round++) {
      if (round % 50 == 0) {
        awaitMore(reads);
      }
      long before = target.get();
      mode.unmap(lab.space, before, 1);
      mode.settle(lab.space);
      long at = mfns[round % 16] << 12;
      LONG.setVolatile(lab.segment(), at, 0x5EC2E7L); // another owner's
      for (int i = 0; i < 100; i++) {
        Thread.onSpinWait();
      }
      LONG.setVolatile(lab.segment(), at, 0L);
      target.set(map(mode, (round + 1) % 16));
    }
    target.set(0);
    device.join();
    mode.close();
    assertEquals(0, leaks.get());
    assertNotEquals(0, reads.get());
  }

  private static void awaitMore(AtomicLong reads) {
    long before = reads.get();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (reads.get() == before && System.nanoTime() - deadline < 0) {
      Thread.yield();
    }
    assertNotEquals(before, reads.get(), "the device does not read");
  }
}
