package dev.domus.dma;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.FaultReason;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Software that lies: each lie is an error in the registers, and nothing else happens. */
class LiesTest {
  private static final long PAGE = 0x4000_0000;
  private static final long NOWHERE = 0x7000_0000;

  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          BAD_OPERATION,  0, 0, 8,                  0x40000000, 0x40000100, 0
          BAD_OPERATION,  5, 0, 8,                  0x40000000, 0x40000100, 0
          BAD_OPERATION,  255, 0, 8,                0x40000000, 0x40000100, 0
          RESERVED_FIELD, 1, 2, 8,                  0x40000000, 0x40000100, 0
          RESERVED_FIELD, 3, 0, 8,                  0x40000000, 0x40000100, 0
          BAD_LENGTH,     1, 0, 0,                  0x40000000, 0x40000100, 0
          BAD_LENGTH,     1, 0, 0x1000001,          0x40000000, 0x40000100, 0
          BAD_LENGTH,     1, 0, 0xffffffff,         0x40000000, 0x40000100, 0
          BAD_ADDRESS,    1, 0, 16,                 0xfffffffffffffff8, 0x40000100, 0
          BAD_ADDRESS,    2, 0, 16,                 0, 0xfffffffffffffff8, 0
          BAD_CHAIN,      1, 0, 8,                  0x40000000, 0x40000100, 0x40000020
          DMA_FAULT,      1, 0, 8,                  0x70000000, 0x40000100, 0
          DMA_FAULT,      1, 0, 8,                  0x40000000, 0x70000000, 0
          DMA_FAULT,      1, 0, 8192,               0x40000000, 0x40000000, 0
          DMA_FAULT,      2, 0, 8,                  0x40000000, 0xfffffffffffff000, 0
          DMA_FAULT,      3, 0, 8,                  0x70000000, 0, 0
          DMA_FAULT,      4, 0, 8,                  0x40000000, 0x70000000, 0
          DMA_FAULT,      1, 0, 8,                  0x40000000, 0x40000100, 0x70000000
          """)
  void aDescriptorThatMakesNoSenseStopsTheEngine(
      ErrorCode error,
      int operation,
      int flags,
      String length,
      String source,
      String to,
      String next) {
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(PAGE, 1);
      long at =
          driver.put(operation, flags, number(length), number(source), number(to), number(next));
      driver.ring();
      driver.awaitStatus(RegisterLayout.ERRED);
      assertEquals(error.code(), driver.register(RegisterLayout.ERROR));
      assertEquals(0, driver.register(RegisterLayout.HEAD));
      boolean inFirst = number(next) == 0;
      assertEquals(inFirst ? error.code() : DescriptorLayout.DONE, driver.status(at));
      assertEquals(
          inFirst ? at : number(next), driver.bus.load(0, RegisterLayout.ERROR_ADDRESS, 8));

      driver.disable(); // and it can be used again
      driver.enable(Driver.RING, Driver.ORDER);
      driver.awaitStatus(RegisterLayout.ENABLED);
      assertEquals(0, driver.register(RegisterLayout.ERROR));
      at = driver.run(DescriptorLayout.COPY, 8, PAGE, PAGE + 64);
      assertEquals(DescriptorLayout.DONE, driver.status(at));
    }
  }

  private static long number(String text) {
    return text.startsWith("0x")
        ? Long.parseUnsignedLong(text.substring(2), 16)
        : Long.parseLong(text);
  }

  @Test
  void aChainThatLeadsBackToItselfEnds() {
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(PAGE, 1);
      driver.put(DescriptorLayout.COPY, 0, 8, PAGE, PAGE + 64, Driver.RING);
      driver.ring();
      driver.awaitStatus(RegisterLayout.ERRED);
      assertEquals(ErrorCode.BAD_CHAIN.code(), driver.register(RegisterLayout.ERROR));
      assertEquals(DescriptorLayout.MAX_CHAIN, driver.bus.load(0, RegisterLayout.COMPLETED, 8));
    }
  }

  @ParameterizedTest
  @CsvSource({"16", "17", "4096", "-1", "-2147483648"})
  void aTailThatIsNoIndexStopsTheEngine(int tail) {
    try (Driver driver = Driver.enabled()) {
      driver.bus.store(0, RegisterLayout.TAIL, 4, tail & 0xffff_ffffL);
      driver.awaitStatus(RegisterLayout.ERRED);
      assertEquals(ErrorCode.BAD_TAIL.code(), driver.register(RegisterLayout.ERROR));
      assertEquals(0, driver.bus.memory().faults());
    }
  }

  @ParameterizedTest
  @CsvSource({"100000, 0", "100000, 13", "100000, -1", "100020, 4", "ffffffffffffffc0, 1"})
  void aRingThatMakesNoSenseIsNotTaken(String base, int order) {
    try (Driver driver = new Driver()) {
      driver.enable(Long.parseUnsignedLong(base, 16), order);
      driver.awaitStatus(RegisterLayout.ERRED);
      assertEquals(ErrorCode.BAD_RING.code(), driver.register(RegisterLayout.ERROR));
      driver.bus.store(0, RegisterLayout.TAIL, 4, 1);
      assertEquals(0, driver.bus.memory().faults());
    }
  }

  @Test
  void aRingThatIsNotInMemoryIsAFaultWithItsReason() {
    try (Driver driver = new Driver()) {
      driver.enable(NOWHERE, 1);
      driver.bus.store(0, RegisterLayout.TAIL, 4, 1);
      driver.awaitStatus(RegisterLayout.ERRED);
      assertEquals(ErrorCode.DMA_FAULT.code(), driver.register(RegisterLayout.ERROR));
      assertEquals(FaultReason.NO_READ.code(), driver.register(RegisterLayout.ERROR_REASON));
    }
  }

  /** What the engine does with one doorbell has an end, whatever the ring says. */
  @Test
  void aDoorbellIsWorthNoMoreThanTheRing() {
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(PAGE, 1);
      for (int i = 0; i < 16; i++) {
        driver.put(DescriptorLayout.COPY, 0, 8, PAGE, PAGE + 64, 0);
      }
      driver.bus.store(0, RegisterLayout.TAIL, 4, 15);
      driver.bus.await("HEAD 15", () -> driver.register(RegisterLayout.HEAD) == 15);
      assertEquals(15, driver.bus.load(0, RegisterLayout.COMPLETED, 8));
    }
  }

  @Test
  void thereIsOneInterruptUntilSoftwareClearsIt() {
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(PAGE, 1);
      driver.bus.store(0, RegisterLayout.INT_CONTROL, 4, RegisterLayout.INT_ENABLE);
      for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < 100; i++) {
          driver.put(DescriptorLayout.COPY, 1, 8, PAGE, PAGE + 64, 0);
          driver.ring();
          driver.awaitDone();
        }
        long expected = round;
        driver.bus.await("an interrupt", () -> driver.bus.interrupts(0) == expected);
        driver.bus.store(
            0, RegisterLayout.INT_STATUS, 4, driver.register(RegisterLayout.INT_STATUS));
      }
    }
  }

  @Test
  void aPauseStopsAndAnAbortEndsWhatIsUnderWay() {
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(PAGE, 4096);
      driver.bus.store(0, RegisterLayout.CONTROL, 4, RegisterLayout.ENABLE | RegisterLayout.PAUSE);
      driver.awaitStatus(RegisterLayout.PAUSED);
      long at = driver.put(DescriptorLayout.COPY, 0, 8 << 20, PAGE, PAGE + (8 << 20), 0);
      long second = driver.put(DescriptorLayout.COPY, 0, 8, PAGE, PAGE + 64, 0);
      driver.ring();
      assertEquals(0, driver.status(at));
      driver.bus.store(0, RegisterLayout.CONTROL, 4, RegisterLayout.ENABLE);
      driver.bus.store(0, RegisterLayout.CONTROL, 4, RegisterLayout.ENABLE | RegisterLayout.ABORT);
      driver.awaitStatus(RegisterLayout.PAUSED);
      assertTrue(
          List.of(0, DescriptorLayout.DONE, ErrorCode.ABORTED.code()).contains(driver.status(at)),
          "not begun, done or aborted");
      driver.bus.store(0, RegisterLayout.CONTROL, 4, RegisterLayout.ENABLE);
      driver.awaitDone();
      assertEquals(DescriptorLayout.DONE, driver.status(second), "what was ready stays ready");
    }
  }

  /** A chain of 4 GiB is not waited for. */
  @Test
  void aDisableStopsBetweenPieces() {
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(PAGE, 4096);
      driver.put(DescriptorLayout.FILL, 0, 16 << 20, 0, PAGE, Driver.RING);
      driver.ring();
      driver.bus.await(
          "the first fills", () -> driver.bus.load(0, RegisterLayout.COMPLETED, 8) > 0);
      driver.disable();
      assertTrue(
          driver.bus.load(0, RegisterLayout.COMPLETED, 8) < DescriptorLayout.MAX_CHAIN, "not all");
      assertEquals(0, driver.register(RegisterLayout.HEAD), "nor moved on");
      assertEquals(0, driver.register(RegisterLayout.ERROR));
    }
  }

  @Test
  void aResetUnderLoadLeavesNothingUnderWay() {
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(PAGE, 4096);
      for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 15; i++) {
          driver.put(DescriptorLayout.COPY, 1, 1 << 20, PAGE, PAGE + (8 << 20), 0);
        }
        driver.ring();
        driver.bus.reset();
        long faults = driver.bus.memory().faults();
        driver.bus.memory().putLong(PAGE + (8 << 20), 7);
        assertEquals(0, driver.register(RegisterLayout.STATUS));
        driver.enable(Driver.RING, Driver.ORDER);
        driver.awaitStatus(RegisterLayout.ENABLED);
        assertEquals(7, driver.bus.memory().getLong(PAGE + (8 << 20)));
        assertEquals(faults, driver.bus.memory().faults());
      }
    }
  }
}
