package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.mmu.TestMachine.LEAF;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineToPhys;
import dev.domus.memory.paging.Pte;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The frames that a domain has: how it gets them, and how they leave it. */
class DomainFramesTest {
  private static final long VA = 0xFFFF_8880_0000_3000L;

  private final TestMachine m = new TestMachine();
  private final TestDomain d = m.domain(1, 200);
  private final TestDomain stranger = m.domain(2, 200);
  private final InvariantScanner scanner = new InvariantScanner(m);

  @AfterEach
  void scanAndClose() {
    scanner.scan();
    m.close();
  }

  @Test
  void framesThatTheHypervisorSharesAreWritableForGood() {
    long special = d.mmu.allocateSpecial();
    long l1 = d.page(0, Pte.of(special, Pte.P | Pte.W));
    assertEquals(0, d.pin(1, l1), "A and U absent are fine (17.10)");
    assertEquals(-EINVAL, d.pin(1, special));
    assertFalse(d.mmu.giveBack(special), "not the guest's to give");
    d.mmu.freeSpecial(special);
    assertEquals(1, m.frames.owner(special), "still mapped");
    d.mustUpdate(l1, 0, 0);
    assertEquals(FrameTable.NOBODY, m.frames.owner(special));
  }

  @Test
  void aDomainHasNoMoreThanItsLimit() {
    TestDomain small = m.domain(3, 10);
    assertEquals(-EINVAL, small.mmu.populate(5, 6), "beyond the last guest frame");
    assertEquals(0, small.mmu.populate(0, 10));
    assertEquals(-1, small.mmu.allocate(0));
    assertEquals(-EINVAL, small.mmu.populate(0, 1), "taken");
    long mfn = small.mmu.p2m().mfn(4);
    assertEquals(4, m.m2p.pfn(mfn));
    assertTrue(small.mmu.giveBackUnused(mfn));
    assertFalse(small.mmu.giveBackUnused(mfn));
    assertEquals(MachineToPhys.INVALID, m.m2p.pfn(mfn));
    assertEquals(-1, small.mmu.p2m().mfn(4));
    assertEquals(9, small.mmu.pages());
  }

  @Test
  void outOfMachineMemoryPopulatesNothing() {
    TestDomain greedy = m.domain(3, 5000);
    assertEquals(0, greedy.mmu.populate(0, m.allocator.freeFrames() - 10));
    long free = m.allocator.freeFrames();
    assertEquals(-dev.domus.kernel.abi.Errno.ENOMEM, greedy.mmu.populate(3000, 11));
    assertEquals(free, m.allocator.freeFrames());
  }

  @Test
  void whatADomainLeavesIsFreedOnceAndWhatOthersHoldLater() {
    long free = m.allocator.freeFrames();
    TestDomain dying = m.domain(3, 100);
    long shared = dying.page();
    long l4 = dying.tree(VA, Pte.of(shared, LEAF | Pte.W));
    assertEquals(0, dying.pin(4, l4));
    assertEquals(0, dying.newBasePointer(dying.vcpus[0], l4));
    assertEquals(0, dying.newUserBasePointer(dying.vcpus[1], l4, true));
    dying.mmu.allocateSpecial();
    assertTrue(m.machine.get(3, shared));
    dying.mmu.relinquish(dying.vcpus);
    assertEquals(free - 1, m.allocator.freeFrames());
    assertTrue(m.machine.isOwner(3), "the id is still on a frame");
    assertEquals(-1, dying.mmu.allocate(0));
    assertEquals(-EINVAL, dying.pin(1, shared));
    m.machine.put(shared);
    assertEquals(free, m.allocator.freeFrames());
    assertFalse(m.machine.isOwner(3));
  }

  @Test
  void aFreedFrameIsZeroForItsNextOwner() {
    long mfn = d.page();
    m.poke(mfn, 7, 42);
    assertTrue(d.mmu.giveBack(mfn));
    long next = stranger.page();
    for (int clean = 0; next != mfn && clean < 100; clean++) {
      next = stranger.page(); // the allocator's cache prefers clean frames
    }
    assertEquals(mfn, next, "freed frames are used again soon");
    assertEquals(0, m.entry(next, 7));
  }
}
