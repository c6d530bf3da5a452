package dev.domus.toolstack.build;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.TestImage;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GuestLayoutTest {
  private static final long MIB = 256;

  private static GuestLayout plan(TestImage image, long ramdiskBytes, long pages)
      throws BadInputException {
    return GuestLayout.plan(image.read(), ramdiskBytes, pages);
  }

  @Test
  void partsFollowOneAnotherInTheOrderOfTheAbi() throws BadInputException {
    GuestLayout layout = plan(TestImage.good(), 4097, 64 * MIB);
    assertEquals(new PageRange(0x105, 2), layout.ramdisk());
    assertEquals(new PageRange(0x107, 32), layout.p2m());
    assertEquals(0x127, layout.startInfo());
    assertEquals(0x128, layout.xenstore());
    assertEquals(0x129, layout.console());
    // 4 MiB are mapped: an L4, an L3, an L2 and two L1s.
    assertEquals(new PageRange(0x12A, 5), layout.pageTables());
    assertEquals(0x12F, layout.stack());
    assertEquals(1024, layout.mapped());
    assertTrue(layout.p2mFrames().isEmpty());
  }

  @Test
  void whatIsUnmappedComesAfterTheMapping() throws BadInputException {
    TestImage image = TestImage.good().number(15, 0x8000000000L).number(16, 1);
    GuestLayout layout = plan(image, 4097, 64 * MIB);
    assertEquals(0x105, layout.startInfo());
    assertEquals(new PageRange(1024, 2), layout.ramdisk());
    assertEquals(new PageRange(1026, 32), layout.p2m());
    assertEquals(new PageRange(1026, 35), layout.p2mFrames().orElseThrow());
    assertEquals(1061, layout.end());
  }

  @Test
  void tablesOfTheListThatTheMappingHasAreNotMadeTwice() throws BadInputException {
    // The list in the same gigabyte as the mapping, but in other 2 MiB: only its L1 is new.
    GuestLayout layout = plan(TestImage.good().number(15, 0x10000000L), 0, 64 * MIB);
    assertEquals(33, layout.p2mFrames().orElseThrow().count());
  }

  @Test
  void theMappingEndsAtFourMebibytesWithSlackAndIsCoveredByItsTables() throws BadInputException {
    Random random = new Random(42);
    for (int round = 0; round < 500; round++) {
      long base = random.nextBoolean() ? 0xFFFFFFFF80000000L + (random.nextInt(1 << 12) << 12) : 0;
      long memory = 1 + random.nextInt(200 << 20);
      long pages = (memory >>> 12) + 200 * MIB;
      TestImage image =
          TestImage.good()
              .withLoads(new TestImage.Load(0x1000, 0, memory))
              .number(3, base)
              .number(1, base + 0x1000);
      GuestLayout layout = plan(image, random.nextInt(20 << 20), pages);
      long endVa = base + (layout.mapped() << 12);
      assertEquals(0, endVa & 0x3FFFFF);
      assertTrue(layout.mapped() - (layout.stack() + 1) >= 128, "512 KiB of slack");
      assertTrue(
          layout.mapped() - (layout.stack() + 1) < 128 + 1024 + 3,
          "no more than alignment asks for");
      long l1 = ((endVa - 1) >>> 21) - (base >>> 21) + 1;
      long l2 = ((endVa - 1) >>> 30) - (base >>> 30) + 1;
      assertEquals(l1 + l2 + 2, layout.pageTables().count());
      assertEquals(layout.pageTables().count(), layout.tables().tables().size());
    }
  }

  @Test
  void theVeryTopOfTheAddressSpaceCanBeMapped() throws BadInputException {
    long base = -(8L << 20);
    TestImage image =
        TestImage.good()
            .number(3, base)
            .number(1, base + 0x100000)
            .withLoads(new TestImage.Load(0x100000, 1, 4 << 20));
    assertEquals(2048, plan(image, 0, 64 * MIB).mapped());
    TestImage larger =
        TestImage.good()
            .number(3, base)
            .number(1, base + 0x100000)
            .withLoads(new TestImage.Load(0x100000, 1, 7 << 20));
    assertThrows(BadInputException.class, () -> plan(larger, 0, 64 * MIB));
  }

  @ParameterizedTest
  @ValueSource(
      longs = {
        0xFFFF800000000000L,
        0xFFFF87FFFFFFF000L,
        0x0000800000000000L,
        0x00007FFFFFFFF000L,
        0x8000000000000000L
      })
  void addressesOfTheHypervisorOrOfNobodyAreRefused(long base) throws BadInputException {
    TestImage image = TestImage.good().number(3, base).number(1, base + 0x100000);
    BadInputException refused =
        assertThrows(BadInputException.class, () -> plan(image, 0, 64 * MIB));
    assertTrue(
        refused.getMessage().contains("note VIRT_BASE is 0x" + Long.toHexString(base)),
        refused.getMessage());
    TestImage list = TestImage.good().number(15, base);
    BadInputException listRefused =
        assertThrows(BadInputException.class, () -> plan(list, 0, 64 * MIB));
    assertTrue(
        listRefused.getMessage().contains("note INIT_P2M is 0x" + Long.toHexString(base)),
        listRefused.getMessage());
  }

  @Test
  void aListInsideTheMappingIsRefused() {
    assertThrows(
        BadInputException.class, () -> plan(TestImage.good().number(15, 0x3FF000), 0, 64 * MIB));
  }

  @Test
  void tooLittleMemoryIsAnsweredWithHowMuchWouldDo() throws BadInputException {
    TestImage image = TestImage.good().withLoads(new TestImage.Load(0x100000, 1, 100 << 20));
    BadInputException refused =
        assertThrows(BadInputException.class, () -> plan(image, 0, 64 * MIB));
    assertTrue(
        refused.getMessage().contains("does not fit into 64 MiB of memory"), refused.getMessage());
    assertTrue(refused.getMessage().endsWith("give --memory 104M or more"), refused.getMessage());
    assertFalse(plan(image, 0, 104 * MIB).end() > 104 * MIB);
    assertThrows(BadInputException.class, () -> plan(image, 0, 103 * MIB));
  }
}
