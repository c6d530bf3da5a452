package dev.domus.dma.modes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.IoDomain;
import dev.domus.iommu.dma.DmaSpace;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What the model does not ask of shadow, and what passthrough answers. */
class ShadowTest {
  private static final int BOTH = IoDomain.READ | IoDomain.WRITE, PAGES = 8;
  private static final long NO_LIMIT = Long.MAX_VALUE;

  private final Lab lab = new Lab(PAGES);
  private final Shadow mode = new Shadow(lab);
  private final long[] mfns = lab.frames(PAGES);

  @AfterEach
  void close() {
    lab.close();
  }

  @Test
  void allOfItsPagesCanBeUsedAtOnceAndThenNoMore() {
    long[] addresses = new long[PAGES];
    for (int i = 0; i < PAGES; i++) {
      addresses[i] = mode.map(lab.space, mfns[i], 1, BOTH, NO_LIMIT);
      assertTrue(addresses[i] > 0);
    }
    assertEquals(DmaSpace.NO_MEMORY, mode.map(lab.space, mfns[0], 1, BOTH, NO_LIMIT));
    mode.unmap(lab.space, addresses[3], 1);
    assertTrue(mode.map(lab.space, mfns[0], 1, BOTH, NO_LIMIT) > 0);
    assertEquals(DmaSpace.NO_ADDRESS, mode.map(lab.space, mfns, 0, PAGES + 1, BOTH, NO_LIMIT));
    assertEquals(DmaSpace.NO_ADDRESS, mode.map(lab.space, mfns[0], 1, BOTH, 1 << 12));
  }

  @Test
  void copiesAndUnmappingsThatDoNotFitAreRefused() {
    long at = mode.map(lab.space, mfns, 0, 2, IoDomain.READ, NO_LIMIT);
    assertThrows(IllegalArgumentException.class, () -> mode.unmap(lab.space, at, 1));
    assertThrows(IllegalArgumentException.class, () -> mode.unmap(lab.space, at + 4096, 1));
    assertThrows(IllegalArgumentException.class, () -> mode.unmap(lab.space, 0, 1));
    assertThrows(IllegalArgumentException.class, () -> mode.fromDevice(lab.space, at, 1));
    assertThrows(IllegalArgumentException.class, () -> mode.toDevice(lab.space, at, 8193));
    assertThrows(IllegalArgumentException.class, () -> mode.toDevice(lab.space, at + 8192, 1));
    mode.toDevice(lab.space, at + 4096, 4096);
    mode.unmap(lab.space, at, 2);
    assertThrows(IllegalArgumentException.class, () -> mode.unmap(lab.space, at, 2));
    assertThrows(IllegalArgumentException.class, () -> mode.toDevice(lab.space, at, 1));
  }

  @Test
  void whatADeviceWritesWhereItMayOnlyReadDoesNotReachTheDriver() {
    long at = mode.map(lab.space, mfns[0], 1, IoDomain.READ, NO_LIMIT);
    lab.segment().set(ValueLayout.JAVA_LONG, mfns[0] << 12, 1);
    mode.toDevice(lab.space, at, 8);
    assertEquals(DmaPort.OK, lab.port.storeLong(at, 2));
    mode.unmap(lab.space, at, 1);
    assertEquals(1, lab.segment().get(ValueLayout.JAVA_LONG, mfns[0] << 12));
  }

  @Test
  void passthroughIsArithmetic() {
    Passthrough through = new Passthrough();
    assertEquals(0x5000, through.map(lab.space, 5, 3, BOTH, NO_LIMIT));
    assertEquals(0x5000, through.map(lab.space, new long[] {9, 5, 6, 7}, 1, 3, BOTH, NO_LIMIT));
    assertEquals(
        DmaSpace.NO_ADDRESS, through.map(lab.space, new long[] {5, 7}, 0, 2, BOTH, NO_LIMIT));
    assertEquals(DmaSpace.NO_ADDRESS, through.map(lab.space, 5, 3, BOTH, 0x7000));
    assertEquals(0x5000, through.map(lab.space, 5, 3, BOTH, 0x8000));
  }
}
