package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EINVAL;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.memory.paging.Pte;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Page-table entries that map granted frames (xen-pv-abi.md, 12.3). */
class GrantEntriesTest {
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
  void aGrantEntryCarriesItsReferences() {
    long theirs = stranger.page();
    long l4 = d.tree(VA, 0);
    assertEquals(0, d.newBasePointer(v, l4));
    assertTrue(m.machine.getWritable(2, theirs));
    scanner.grant(1, theirs);
    long entry = Pte.of(theirs, Pte.P | Pte.A | Pte.D | Pte.NX | Pte.W);
    assertEquals(0, d.mmu.entries().installGrant(v, VA, entry, false));
    scanner.scan();
    assertEquals(-EINVAL, stranger.pin(1, theirs), "writable by another");
    assertNotEquals(-1, v.access(VA, true));
    assertEquals(-1, d.mmu.entries().removeGrant(v, VA, theirs, false, false), "other rights");
    assertEquals(-1, d.mmu.entries().removeGrant(v, VA, theirs + 1, true, false), "other frame");
    assertEquals(0, d.mmu.entries().removeGrant(v, VA, theirs, true, false));
    d.mmu.entries().flush();
    assertTrue(v.translations().isEmpty(), "flushed before the reference is put");
    m.machine.putWritable(theirs);
    assertEquals(0, stranger.pin(1, theirs));
  }

  @Test
  void aGrantEntryOverwrittenByTheGuestIsPutOnceAndFlushed() {
    long theirs = stranger.page();
    assertEquals(0, d.newBasePointer(v, d.tree(VA, 0)));
    assertTrue(m.machine.getWritable(2, theirs));
    scanner.grant(1, theirs);
    assertEquals(0, d.mmu.entries().installGrant(v, VA, Pte.of(theirs, Pte.P | Pte.W), false));
    assertNotEquals(-1, v.access(VA, true));
    assertEquals(0, d.updateMapping(v, VA, 0, 1));
    assertTrue(v.translations().isEmpty(), "its owner must not have to know");
    assertEquals(1, m.frames.references(theirs));
    assertEquals(-1, d.mmu.entries().removeGrant(v, VA, theirs, true, false));
  }

  @Test
  void grantEntriesGoOnlyIntoOwnL1Tables() { // XSA-227
    long theirs = stranger.page();
    long l4 = d.tree(VA, 0);
    assertEquals(0, d.newBasePointer(v, l4));
    long entry = Pte.of(theirs, Pte.P);
    long l1 = d.table(l4, VA, 1);
    for (long ma :
        new long[] {
          (l1 << 12) + 4,
          d.table(l4, VA, 2) << 12,
          d.page() << 12,
          stranger.page() << 12,
          -8,
          1L << 55
        }) {
      assertEquals(-1, d.mmu.entries().installGrant(v, ma, entry, true));
    }
    assertEquals(-1, d.mmu.entries().installGrant(v, 0xFFFF_8000_0000_0000L, entry, false));
    assertEquals(-1, d.mmu.entries().installGrant(v, 0x1000, entry, false));
  }
}
