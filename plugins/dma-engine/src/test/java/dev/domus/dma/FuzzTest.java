package dev.domus.dma;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * Descriptors of random bits, half of them near to sense: each ends as done or in an error state,
 * and memory that the IOMMU keeps from the engine is as it was.
 */
class FuzzTest {
  private static final long PAGES = 0x4000_0000L, KEPT = 0x6000_0000L;

  private static long address(Random random) {
    return switch (random.nextInt(5)) {
      case 0 -> PAGES + random.nextInt(4 * 4096);
      case 1 -> PAGES + random.nextInt(4) * 4096L;
      case 2 -> Driver.RING + random.nextInt(16) * 64L; // its own ring
      case 3 -> KEPT;
      default -> random.nextLong();
    };
  }

  @Property(tries = 100, seed = "5")
  void descriptorsOfRandomBits(@ForAll long seed) {
    Random random = new Random(seed);
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(PAGES, 4);
      driver.bus.memory().map(KEPT, 1, true, false);
      byte[] kept = new byte[4096];
      random.nextBytes(kept);
      driver.bus.memory().put(KEPT, kept);
      for (int i = 0; i < 50; i++) {
        driver.put(
            random.nextInt(8) == 0 ? random.nextInt(256) : 1 + random.nextInt(4),
            random.nextInt(8) == 0 ? random.nextInt(256) : random.nextInt(2),
            random.nextInt(8) == 0 ? random.nextInt() : 1 + random.nextInt(4096),
            address(random),
            random.nextInt(4) == 0 ? 0 : address(random),
            random.nextInt(4) == 0 ? address(random) & -64L : 0);
        driver.ring();
        driver.awaitDone();
        int status = driver.register(RegisterLayout.STATUS);
        assertTrue(status == RegisterLayout.ENABLED || status == RegisterLayout.ERRED);
        if (status == RegisterLayout.ERRED) {
          driver.disable();
          driver.enable(Driver.RING, Driver.ORDER);
          driver.awaitStatus(RegisterLayout.ENABLED);
        }
      }
      assertEquals(List.of(), driver.bus.failures());
      assertArrayEquals(kept, driver.bus.memory().get(KEPT, 4096));
    }
  }
}
