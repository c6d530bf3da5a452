package dev.domus.iommu;

import static dev.domus.iommu.IoDomain.READ;
import static dev.domus.iommu.IoDomain.SNOOP;
import static dev.domus.iommu.IoDomain.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Mapping and withdrawing: what the tables say, in whichever way pages were joined and cut. */
class IoDomainTest {
  private static final long M2 = 512;
  private static final long G1 = 512 * 512;

  private final TestMachine machine = new TestMachine(1 << 20, UnitSettings.usual());
  private final IoDomain domain = machine.unit.newDomain();

  @AfterEach
  void close() {
    machine.close();
  }

  private static long iova(long page) {
    return page << 12;
  }

  /** Entries of all levels on the way to an address, from the root down, read by hand. */
  private long entry(long iova, int level) {
    long table = domain.root();
    for (int each = domain.levels(); ; each--) {
      long entry = machine.at(table + (iova >>> 12 + 9 * (each - 1) & 511) * 8);
      if (each == level || entry == 0 || (entry & 0x80) != 0) {
        return entry;
      }
      table = entry & 0x000F_FFFF_FFFF_F000L;
    }
  }

  @Test
  void anEntryHasTheBitsOfTheSpecification() {
    assertEquals(IoDomain.OK, domain.map(iova(7), 0x123, 1, READ | SNOOP));
    assertEquals(IoDomain.OK, domain.map(iova(M2), 0x400, M2, READ | WRITE));

    assertEquals(0x123_801L, entry(iova(7), 1), "R and SNP");
    assertEquals(0x400_083L, entry(iova(M2), 2), "R, W and PS");
    assertEquals(3, entry(iova(7), 2) & 0xFFF, "a table lets its leaves decide");
  }

  @Test
  void theLargestPagesThatFitAreUsed() {
    assertEquals(IoDomain.OK, domain.map(iova(G1 - 1), G1 - 1, 2 + G1 + M2, READ));

    assertEquals(0x1, entry(iova(G1 - 1), 1) & 0xFFF);
    assertEquals(0x81, entry(iova(G1), 3) & 0xFFF);
    assertEquals(0x81, entry(iova(2 * G1), 2) & 0xFFF);
    assertEquals(0x1, entry(iova(2 * G1 + M2), 1) & 0xFFF);
    for (long page : new long[] {G1 - 1, G1, 2 * G1 - 1, 2 * G1, 2 * G1 + M2}) {
      assertEquals(iova(page) | READ, domain.lookup(iova(page)));
    }
    assertEquals(0, domain.lookup(iova(2 * G1 + M2 + 1)));
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "2, 2", "3, 3"})
  void noPageIsLargerThanTheUnitAllows(int largest, int level) {
    try (TestMachine small =
        new TestMachine(1 << 20, new UnitSettings(true, false, largest, 1, 0, 16))) {
      IoDomain of = small.unit.newDomain();
      long before = small.unit.tableFrames();
      assertEquals(IoDomain.OK, of.map(0, 0, G1, READ));
      long tables = small.unit.tableFrames() - before;
      assertEquals(level == 3 ? 1 : level == 2 ? 2 : 2 + 512, tables);
    }
  }

  @Test
  void whatIsMappedIsNotMappedOver() {
    domain.map(iova(5), 50, 1, READ);
    long tables = machine.unit.tableFrames();

    assertEquals(IoDomain.OCCUPIED, domain.map(iova(0), 100, 10, READ));

    for (int page = 0; page < 10; page++) {
      assertEquals(page == 5 ? iova(50) | READ : 0, domain.lookup(iova(page)), "page " + page);
    }
    assertEquals(tables, machine.unit.tableFrames());
    domain.map(iova(M2), 1024, M2, READ);
    assertEquals(IoDomain.OCCUPIED, domain.map(iova(M2 + 3), 1, 1, READ), "inside a large page");
    assertEquals(IoDomain.OCCUPIED, domain.map(iova(M2 - 1), new long[] {1, 2}, 0, 2, READ));
    assertEquals(0, domain.lookup(iova(M2 - 1)));
  }

  @Test
  void aPartOfALargePageIsCutOut() {
    domain.map(iova(G1), G1, G1, READ | WRITE);

    assertEquals(3, domain.unmap(iova(G1 + 1000), 3));

    for (long page : new long[] {0, 999, 1003, M2, 4 * M2, G1 - 1}) {
      assertEquals(iova(G1 + page) | 3, domain.lookup(iova(G1 + page)), "page " + page);
    }
    for (long page = 1000; page < 1003; page++) {
      assertEquals(0, domain.lookup(iova(G1 + page)));
    }
    assertEquals(G1 - 3, domain.unmap(iova(G1), G1));
  }

  @Test
  void aFullTableBecomesALargePageAgain() {
    domain.map(iova(M2), M2, M2, READ);
    domain.unmap(iova(M2 + 9), 1);
    domain.unmap(iova(M2 + 511), 1);
    long split = machine.unit.tableFrames();

    assertEquals(IoDomain.OK, domain.map(iova(M2 + 9), M2 + 9, 1, READ));
    assertEquals(split, machine.unit.tableFrames());

    assertEquals(IoDomain.OK, domain.map(iova(M2 + 511), M2 + 511, 1, READ));
    assertEquals(split - 1, machine.unit.tableFrames());
    assertEquals(0x81, entry(iova(M2), 2) & 0xFFF);
  }

  @Test
  void tablesGoWithTheRangeThatTheyAreOf() {
    long before = machine.unit.tableFrames();
    for (int i = 0; i < 5; i++) {
      domain.map(iova(i * M2), 10 + i, 1, READ);
    }

    domain.unmap(iova(0), 1);
    assertEquals(before + 2 + 5, machine.unit.tableFrames(), "the next page is likely to be near");
    domain.withdraw(iova(0), 3 * M2);
    assertEquals(before + 2 + 5, machine.unit.tableFrames(), "they may still be walked");
    domain.flush();
    assertEquals(before + 2 + 2, machine.unit.tableFrames());
    assertEquals(2, domain.unmap(iova(0), domain.pages()));
    assertEquals(before, machine.unit.tableFrames());
  }

  @Test
  void aMapThatGetsNoTableMapsNothing() {
    try (TestMachine small = new TestMachine(64, UnitSettings.usual())) {
      IoDomain of = small.unit.newDomain();
      long[] mfns = new long[2];
      of.map(iova(0), 1, 1, READ);
      while (small.allocator.allocate(0) != -1) {}

      assertEquals(IoDomain.NO_MEMORY, of.map(iova(510), 1, 4, READ));
      assertEquals(IoDomain.NO_MEMORY, of.map(iova(511), mfns, 0, 2, READ));

      assertEquals(0, of.lookup(iova(510)));
      assertEquals(0, of.lookup(iova(511)));
    }
  }

  @Test
  void aCutThatGetsNoTableChangesNothing() {
    domain.map(iova(0), 0, M2, READ);
    while (machine.allocator.allocate(10) != -1) {}
    while (machine.allocator.allocate(0) != -1) {}

    assertEquals(IoDomain.NO_MEMORY, domain.unmap(iova(1), M2));

    for (int page = 0; page < M2; page++) {
      assertEquals(iova(page) | READ, domain.lookup(iova(page)));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 4, 5})
  void theLastPageOfEachWidthCanBeMapped(int levels) {
    IoDomain of = machine.unit.newDomain(levels);
    long last = iova(of.pages() - 1);

    assertEquals(39 + 9 * (levels - 3), 12 + Long.numberOfTrailingZeros(of.pages()));
    assertEquals(IoDomain.OK, of.map(last, 77, 1, READ));
    assertEquals(iova(77) | READ, of.lookup(last));
    assertEquals(1, of.unmap(last, 1));
    assertThrows(IllegalArgumentException.class, () -> of.map(last, 77, 2, READ));
    assertThrows(IllegalArgumentException.class, () -> of.map(iova(of.pages()), 77, 1, READ));
  }

  @Test
  void whatIsNoMappingIsRefusedByName() {
    assertThrows(IllegalArgumentException.class, () -> domain.map(1, 1, 1, READ));
    assertThrows(IllegalArgumentException.class, () -> domain.map(0, 1, 0, READ));
    assertThrows(IllegalArgumentException.class, () -> domain.map(0, 1, -1, READ));
    assertThrows(IllegalArgumentException.class, () -> domain.map(0, 1, 1, 0));
    assertThrows(IllegalArgumentException.class, () -> domain.map(0, 1, 1, 4));
    assertThrows(IllegalArgumentException.class, () -> domain.map(0, 1 << 20, 1, READ));
    Exception thrown =
        assertThrows(IllegalArgumentException.class, () -> domain.map(0, -1, 1, READ));
    assertTrue(thrown.getMessage().contains("mfn=-1"), thrown.getMessage());
  }

  @Test
  void anEndedDomainLeavesNoFrameBehind() {
    long before = machine.unit.tableFrames();
    IoDomain other = machine.unit.newDomain(5);
    other.map(iova(3), 3, 100_000, READ);
    other.map(iova(1L << 40), 3, 1, READ);
    other.withdraw(iova(3), M2);

    other.close();

    assertEquals(before, machine.unit.tableFrames());
    assertEquals(other.id(), machine.unit.newDomain().id());
  }
}
