package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EBUSY;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.mmu.TestMachine.LEAF;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.memory.paging.Pte;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Descriptors, the GDT and the LDT (xen-pv-abi.md, 7). */
class DescriptorTablesTest {
  private static final long VA = 0xFFFF_8880_0000_3000L;

  private final TestMachine m = new TestMachine();
  private final TestDomain d = m.domain(1, 200);
  private final TestDomain stranger = m.domain(2, 200);
  private final TestVcpu v = d.vcpus[0];
  private final InvariantScanner scanner = new InvariantScanner(m);

  @AfterEach
  void scanAndClose() {
    scanner.scan();
    m.close();
  }

  @Test
  void descriptorsAreMendedOrRefused() {
    long code0 = 0x00AF9B000000FFFFL;
    long page = d.page(1, code0, 2, 0x00CF93000000FFFFL, 3, 0x0000_8C00_0010_0000L | 3L << 45);
    assertEquals(0, d.mmu.setGdt(v, new long[] {page}, 512));
    assertEquals(code0 | 3L << 45, d.mmu.descriptor(v, 8));
    assertEquals(
        0,
        d.mmu.descriptor(v, 3 << 3) >>> 45 & 3,
        "a gate has DPL 0, so using it is #GP (XSA-298)");
    assertEquals(3, d.mmu.descriptor(v, 3 << 3) >>> 16 & 3, "its own DPL is in the selector");
    long tss = 0x0000_8900_0000_0067L;
    assertEquals(-EINVAL, d.mmu.setGdt(v, new long[] {d.page(0, tss)}, 1));
    assertEquals(
        -EINVAL,
        d.mmu.setGdt(v, new long[] {d.page(511, 0x0000_8C00_E008_0000L)}, 1),
        "our code selector");
    assertEquals(code0 | 3L << 45, d.mmu.descriptor(v, 8), "the old GDT stays");
    assertEquals(-EINVAL, d.mmu.setGdt(v, new long[20], 7169));
    assertEquals(0, d.mmu.setGdt(v, new long[0], 0));
    assertEquals(0, d.mmu.descriptor(v, 8));
  }

  @Test
  void theFlatSelectorsAreAlwaysThere() {
    assertEquals(0x00AFFB000000FFFFL, d.mmu.descriptor(v, 0xE033));
    assertEquals(0x00CFF3000000FFFFL, d.mmu.descriptor(v, 0xE02B));
    assertEquals(0x00CFFB000000FFFFL, d.mmu.descriptor(v, 0xE023));
    assertEquals(0, d.mmu.descriptor(v, 0xE008));
    assertEquals(0, d.mmu.descriptor(v, 0xE043));
  }

  @Test
  void anAllOnesDescriptorIsASegment() {
    assertEquals(-1, SegmentDescriptors.fixed(-1));
  }

  @Test
  void singleDescriptorsAreChecked() {
    long page = d.page();
    assertEquals(0, d.mmu.setGdt(v, new long[] {page}, 512));
    assertEquals(0, d.mmu.entries().updateDescriptor((page << 12) + 16, 0x00CF93000000FFFFL));
    assertEquals(0x00CFF3000000FFFFL, d.mmu.descriptor(v, 16));
    assertEquals(-EINVAL, d.mmu.entries().updateDescriptor((page << 12) + 17, 0));
    assertEquals(-EINVAL, d.mmu.entries().updateDescriptor(page << 12, 0x0000_8900_0000_0067L));
    assertEquals(-EINVAL, d.mmu.entries().updateDescriptor(stranger.page() << 12, 0));
    long l1 = d.page();
    assertEquals(0, d.pin(1, l1));
    assertEquals(-EINVAL, d.mmu.entries().updateDescriptor(l1 << 12, 0));
  }

  @Test
  void aPageFoundBadAsDescriptorsIsAnOrdinaryPageAgain() {
    long page = d.page(2, 0x0000_8900_0000_0067L);
    assertEquals(-EINVAL, d.mmu.setGdt(v, new long[] {page}, 512));
    assertEquals(0, d.mmu.entries().updateDescriptor(page << 12, 0x00CF93000000FFFFL));
  }

  @Test
  void anLdtPageIsAttachedWhenItIsUsed() {
    long page = d.page(2, 0x00CF93000000FFFFL);
    long l4 = d.tree(VA, Pte.of(page, LEAF | Pte.W));
    assertEquals(0, d.newBasePointer(v, l4));
    assertEquals(0, d.mmu.setLdt(v, VA, 600));
    int selector = 2 << 3 | 7;
    assertEquals(0, d.mmu.descriptor(v, selector));
    assertFalse(d.mmu.attachLdt(v, selector), "mapped writable");
    assertEquals(0, d.updateMapping(v, VA, Pte.of(page, LEAF), 1));
    assertTrue(d.mmu.attachLdt(v, selector));
    assertFalse(d.mmu.attachLdt(v, selector), "attached already: the fault has another reason");
    assertEquals(0x00CFF3000000FFFFL, d.mmu.descriptor(v, selector));
    assertFalse(d.mmu.attachLdt(v, 512 << 3 | 4), "the second page is not mapped");
    assertFalse(d.mmu.attachLdt(v, 600 << 3 | 4), "beyond the table");
    assertEquals(-EBUSY, d.updateMapping(v, VA, Pte.of(page, LEAF | Pte.W), 1));
    assertEquals(0, d.mmu.setLdt(v, 0, 0));
    assertEquals(0, d.updateMapping(v, VA, Pte.of(page, LEAF | Pte.W), 1));
  }
}
