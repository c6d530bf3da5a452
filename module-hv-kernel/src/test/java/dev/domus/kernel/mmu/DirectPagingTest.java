package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EBUSY;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.EPERM;
import static dev.domus.kernel.mmu.TestMachine.LEAF;
import static dev.domus.kernel.mmu.TestMachine.TABLE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.PageWalk;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Each rule of direct paging once, with where it comes from (section of xen-pv-abi.md, number of an
 * XSA).
 */
class DirectPagingTest {
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

  private int type(long mfn) {
    return m.frames.typeCount(mfn) == 0 ? FrameTable.NONE : m.frames.type(mfn);
  }

  // ---- 5.1 types ----

  @Test
  void pinningATreeMakesEachTableAndTheWritablePageWhatItIs() {
    long data = d.page();
    long l4 = d.tree(VA, Pte.of(data, LEAF | Pte.W));
    assertEquals(0, d.pin(4, l4));
    assertEquals(FrameTable.L4, type(l4));
    for (int level = 1; level <= 3; level++) {
      assertEquals(level, type(d.table(l4, VA, level)));
    }
    assertEquals(FrameTable.WRITABLE, type(data));
    assertEquals(0, d.unpin(l4));
    assertEquals(FrameTable.NONE, type(l4));
    assertEquals(FrameTable.NONE, type(data));
  }

  /** Core rule. */
  @Test
  void aPageThatIsMappedWritableCannotBecomeATable() {
    long future = d.page();
    long l4 = d.tree(VA, Pte.of(future, LEAF | Pte.W));
    assertEquals(0, d.pin(4, l4));
    for (int level = 1; level <= 4; level++) {
      assertEquals(-EINVAL, d.pin(level, future));
    }
    assertEquals(-EINVAL, d.mmu.setGdt(v, new long[] {future}, 1));
    d.mustUpdate(d.table(l4, VA, 1), Pte.index(VA, 1), Pte.of(future, LEAF));
    assertEquals(0, d.pin(2, future));
  }

  /** Core rule. */
  @Test
  void aTableCannotBeMappedWritableButReadOnlyAnyNumberOfTimes() {
    long l4 = d.tree(VA, 0);
    assertEquals(0, d.pin(4, l4));
    long l1 = d.table(l4, VA, 1);
    for (long table = l4; ; table = d.table(l4, VA, m.frames.type(table) - 1)) {
      assertEquals(-EBUSY, d.update(l1, 7, Pte.of(table, LEAF | Pte.W)));
      d.mustUpdate(l1, 8, Pte.of(table, LEAF));
      d.mustUpdate(l1, 9, Pte.of(table, LEAF));
      if (table == l1) {
        break;
      }
    }
  }

  @Test
  void readOnlyToWritableTakesTheTypeReference() {
    long table = d.page();
    assertEquals(0, d.pin(1, table));
    long l1 = d.page(0, Pte.of(table, LEAF));
    assertEquals(0, d.pin(1, l1));
    assertEquals(-EBUSY, d.update(l1, 0, Pte.of(table, LEAF | Pte.W)), "XSA-182's like at level 1");
    assertEquals(0, d.unpin(table));
    d.mustUpdate(l1, 0, Pte.of(table, LEAF | Pte.W));
    assertEquals(-EINVAL, d.pin(1, table));
  }

  // ---- 5.2 leaves ----

  @Test
  void aStrangersFrameCannotBeMapped() {
    long l1 = d.page();
    assertEquals(0, d.pin(1, l1));
    long theirs = stranger.page();
    assertEquals(-EBUSY, d.update(l1, 0, Pte.of(theirs, LEAF)));
    assertEquals(-EBUSY, d.update(l1, 0, Pte.of(theirs, LEAF | Pte.W)));
    assertEquals(-EBUSY, d.update(l1, 0, Pte.of(m.m2p.firstFrame(), LEAF)), "the M2P itself");
    assertEquals(-EBUSY, d.update(l1, 0, Pte.of(0, LEAF)), "frame 0");
    long free = d.page();
    assertTrue(d.mmu.giveBack(free));
    assertEquals(-EBUSY, d.update(l1, 0, Pte.of(free, LEAF)), "a free frame");
    assertEquals(0, m.entry(l1, 0));
  }

  @Test
  void whatIsNotRamCannotBeMapped() {
    long l1 = d.page();
    assertEquals(0, d.pin(1, l1));
    assertEquals(-EPERM, d.update(l1, 0, Pte.of(TestMachine.FRAMES, LEAF)));
    assertEquals(-EPERM, d.update(l1, 0, Pte.of(0xFE_E000_0L, LEAF)));
    assertEquals(-EINVAL, d.update(l1, 0, Pte.ADDRESS_MASK | LEAF));
  }

  @Test
  void cacheAttributesAreRefusedInLeavesAndSoftwareBitsAreNot() {
    long l1 = d.page();
    long data = d.page();
    assertEquals(0, d.pin(1, l1));
    for (long bad : new long[] {Pte.PWT, Pte.PCD, Pte.PS}) {
      assertEquals(-EINVAL, d.update(l1, 0, Pte.of(data, LEAF | bad)));
    }
    d.mustUpdate(l1, 0, Pte.of(data, Pte.P | Pte.AVAIL | Pte.AVAIL_HIGH | Pte.NX | Pte.G | Pte.D));
    d.mustUpdate(l1, 1, 0x00F0_1234_5678_9ABEL); // not present: anything goes
    assertEquals(0x00F0_1234_5678_9ABEL, m.entry(l1, 1));
  }

  @Test
  void aBadEntryAddedByFlagsAloneIsRefusedOnTheFastPathToo() { // XSA-182 and its like
    long l1 = d.page();
    long data = d.page();
    assertEquals(0, d.pin(1, l1));
    d.mustUpdate(l1, 0, Pte.of(data, LEAF));
    assertEquals(-EINVAL, d.update(l1, 0, Pte.of(data, LEAF | Pte.PCD)));
    d.mustUpdate(l1, 0, Pte.of(data, LEAF | Pte.NX | Pte.AVAIL));
    assertEquals(2, m.frames.references(data), "the fast path takes no reference");
  }

  // ---- 5.3 tables ----

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4})
  void superpagesGlobalAndCacheBitsAreRefusedAboveTheLeaves(int level) { // XSA-148, XSA-167
    long below = d.page();
    long table = d.page();
    assertEquals(0, d.pin(level, table));
    for (long bad : new long[] {Pte.PS, Pte.G, Pte.PCD, Pte.PWT}) {
      assertEquals(-EINVAL, d.update(table, 0, Pte.of(below, TABLE | bad)));
    }
    d.mustUpdate(table, 0, Pte.of(below, TABLE));
    assertEquals(
        -EINVAL, d.update(table, 0, Pte.of(below, TABLE | Pte.PS)), "nor may they be added");
    assertEquals(level - 1, type(below));
  }

  @Test
  void aTableOfTheWrongLevelIsRefused() {
    long l1 = d.page();
    assertEquals(0, d.pin(1, l1));
    long l3 = d.page(0, Pte.of(l1, TABLE));
    assertEquals(-EINVAL, d.pin(3, l3));
    assertEquals(-EINVAL, d.pin(2, d.page(0, Pte.of(stranger.page(), TABLE))));
  }

  @Test
  void aFailedValidationDropsWhatItTook() { // 5.4
    long good = d.page();
    long bad = stranger.page();
    long l1 = d.page(0, Pte.of(good, LEAF | Pte.W), 5, Pte.of(bad, LEAF));
    long l2 = d.page(3, Pte.of(l1, TABLE));
    assertEquals(-EBUSY, d.pin(2, l2));
    assertEquals(FrameTable.NONE, type(good));
    assertEquals(FrameTable.NONE, type(l1));
    assertEquals(1, m.frames.references(good));
    assertEquals(1, m.frames.references(l2));
  }

  @Test
  void reservedSlotsAreTheHypervisors() { // 5.3.4
    long junk = Pte.of(stranger.page(), TABLE);
    long l4 = d.page(256, junk, 257, junk, 271, junk);
    assertEquals(0, d.pin(4, l4), "skipped in validation");
    assertEquals(m.machine.m2pMap().slotEntry(), m.entry(l4, 256));
    for (int slot = 257; slot <= 271; slot++) {
      assertEquals(0, m.entry(l4, slot));
    }
    for (int slot = 256; slot <= 271; slot++) {
      assertEquals(-EINVAL, d.update(l4, slot, 0));
      assertEquals(-EINVAL, d.update(l4, slot, Pte.of(d.page(), TABLE)));
    }
    d.mustUpdate(l4, 255, Pte.of(d.page(), TABLE));
    d.mustUpdate(l4, 272, Pte.of(d.page(), TABLE));
  }

  @Test
  void guestsReadTheM2pAndCannotWriteIt() { // section 1
    long l4 = d.tree(VA, 0);
    assertEquals(0, d.newBasePointer(v, l4));
    long mine = d.page();
    m.m2p.set(mine, 77);
    long ma = v.access(0xFFFF_8000_0000_0000L + 8 * mine, false);
    assertEquals(77, m.segment.get(ValueLayout.JAVA_LONG, ma));
    assertEquals(-1, v.access(0xFFFF_8000_0000_0000L + 8 * mine, true));
    long end = 0xFFFF_8000_0000_0000L + (m.m2p.endFrame() - m.m2p.firstFrame()) * 4096;
    assertEquals(-1, v.access(end, false), "beyond the machine");
    assertEquals(-1, v.access(0xFFFF_8080_0000_0000L, false), "slot 257");
  }

  @Test
  void hypervisorBitsAreAdded() { // 5.5
    long data = d.page();
    long l4 = d.tree(VA, Pte.of(data, Pte.P | Pte.W | Pte.G));
    long l1 = d.table(l4, VA, 1);
    long l2 = d.table(l4, VA, 2);
    m.poke(l1, 9, Pte.of(data, Pte.P | Pte.U));
    m.poke(l1, 10, Pte.of(data, Pte.P | Pte.U | Pte.GUEST_KERNEL));
    m.poke(l2, Pte.index(VA, 2), Pte.of(l1, Pte.P | Pte.W));
    assertEquals(0, d.pin(4, l4));
    assertEquals(
        Pte.of(data, Pte.P | Pte.W | Pte.U | Pte.GUEST_KERNEL), m.entry(l1, Pte.index(VA, 1)));
    assertEquals(Pte.of(data, Pte.P | Pte.U | Pte.G), m.entry(l1, 9));
    assertEquals(
        Pte.of(data, Pte.P | Pte.U | Pte.GUEST_KERNEL),
        m.entry(l1, 10),
        "read back and stored again");
    assertEquals(Pte.of(l1, TABLE & ~Pte.A), m.entry(l2, Pte.index(VA, 2)));
    d.mustUpdate(l1, 11, Pte.of(data, Pte.P));
    assertEquals(Pte.of(data, Pte.P | Pte.U | Pte.GUEST_KERNEL), m.entry(l1, 11));
  }

  // ---- 5.3.3 linear page tables ----

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4})
  void aSelfMapIsReadOnlyOrRefused(int level) { // XSA-182
    long table = d.page();
    m.poke(table, 5, Pte.of(table, TABLE & ~Pte.W));
    assertEquals(0, d.pin(level, table));
    assertEquals(1, m.frames.typeCount(table), "holds nothing");
    assertEquals(-EINVAL, d.update(table, 5, Pte.of(table, TABLE)), "W cannot be added");
    assertEquals(-EINVAL, d.update(table, 6, Pte.of(table, TABLE)));
    d.mustUpdate(table, 6, Pte.of(table, TABLE & ~Pte.W));
    assertEquals(0, d.unpin(table));
    assertEquals(FrameTable.NONE, type(table));
    m.poke(table, 5, Pte.of(table, TABLE));
    assertEquals(-EINVAL, d.pin(level, table));
  }

  @Test
  void throughASelfMapNothingIsWritable() {
    long l4 = d.tree(VA, Pte.of(d.page(), LEAF | Pte.W));
    m.poke(l4, 300, Pte.of(l4, TABLE & ~Pte.W));
    assertEquals(0, d.newBasePointer(v, l4));
    long self = 300L << 39 | 300L << 30 | 300L << 21 | 300L << 12;
    long l4View = self << 16 >> 16;
    assertEquals(l4 << 12, v.access(l4View, false));
    assertEquals(-1, v.access(l4View, true));
    long l1View = (300L << 39 | (VA >>> 9 & 0x7F_FFFF_F000L)) << 16 >> 16;
    assertEquals(d.table(l4, VA, 1) << 12, v.access(l1View, false));
    assertEquals(-1, v.access(l1View, true));
    assertEquals(-EINVAL, d.updateMapping(v, l4View, 0, 1), "a leaf of that view is no leaf");
  }

  @Test
  void aLinearTargetHoldsNoLinearEntriesAndTheOtherWayRound() { // XSA-240
    long a = d.page();
    long b = d.page();
    long c = d.page();
    assertEquals(0, d.pin(3, a));
    assertEquals(0, d.pin(3, b));
    assertEquals(0, d.pin(3, c));
    d.mustUpdate(a, 0, Pte.of(b, TABLE & ~Pte.W));
    assertEquals(2, m.frames.typeCount(b));
    assertEquals(-EINVAL, d.update(b, 0, Pte.of(c, TABLE & ~Pte.W)), "b is a target");
    assertEquals(-EINVAL, d.update(c, 0, Pte.of(a, TABLE & ~Pte.W)), "a has linear entries");
    assertEquals(-EINVAL, d.update(a, 1, Pte.of(c, TABLE)), "writable");
    assertEquals(0, d.unpin(b));
    assertEquals(FrameTable.L3, type(b), "held by the linear entry");
    assertEquals(0, d.unpin(a));
    assertEquals(FrameTable.NONE, type(b));
    assertEquals(0, m.frames.linear().count(a));
  }

  @Test
  void anUnvalidatedTableOfTheSameLevelIsNoLinearTarget() {
    long a = d.page();
    long b = d.page();
    assertEquals(0, d.pin(3, a));
    d.mustUpdate(a, 0, Pte.of(b, TABLE & ~Pte.W));
    assertEquals(FrameTable.L2, type(b), "so it is taken as the level below");
  }

  // ---- stale translations ----

  @Test
  void aTlbIsFlushedBeforeAWritablePageBecomesATable() {
    long page = d.page();
    long l4 = d.tree(VA, Pte.of(page, LEAF | Pte.W));
    assertEquals(0, d.newBasePointer(v, l4));
    assertNotEquals(-1, v.access(VA, true));
    assertEquals(0, d.updateMapping(v, VA, Pte.of(page, LEAF), 1));
    assertFalse(v.translations().isEmpty(), "the guest asked for no flush");
    assertEquals(0, d.pin(1, page));
    assertTrue(v.translations().isEmpty());
    int flushes = v.flushes;
    assertEquals(0, d.unpin(page));
    assertEquals(0, d.pin(1, page));
    assertEquals(flushes, v.flushes, "nothing new can be stale");
  }

  @Test
  void aTableIsFlushedBeforeItCeasesToBeOne() {
    long l4 = d.tree(VA, Pte.of(d.page(), LEAF | Pte.W));
    assertEquals(0, d.newBasePointer(v, l4));
    assertNotEquals(-1, v.access(VA, true));
    long l1 = d.table(l4, VA, 1);
    long l2 = d.table(l4, VA, 2);
    assertEquals(
        EntryUpdates.FLUSH_DUE, d.updateAt((l2 << 12) + 8L * Pte.index(VA, 2), 0, 1, false));
    assertFalse(v.tables().containsKey(l1), "a walk may have been in it");
    assertTrue(m.machine.getWritable(1, l1));
    m.machine.putWritable(l1);
  }

  @Test
  void aFrameIsFlushedBeforeItIsFreed() {
    long page = d.page();
    long l4 = d.tree(VA, Pte.of(page, LEAF));
    assertEquals(0, d.newBasePointer(v, l4));
    assertNotEquals(-1, v.access(VA, false));
    assertTrue(d.mmu.giveBack(page));
    assertEquals(1, m.frames.owner(page), "still mapped, so still there");
    long before = m.allocator.freeFrames();
    assertEquals(0, d.updateMapping(v, VA, 0, 1));
    assertEquals(before + 1, m.allocator.freeFrames());
    assertTrue(v.translations().isEmpty());
  }

  // ---- 6.1 and 6.2 ----

  @Test
  void anUpdateOfAPageThatIsNoTableIsAPlainStore() {
    long page = d.page();
    d.mustUpdate(page, 3, 0x1234);
    assertEquals(0x1234, m.entry(page, 3));
    assertEquals(-EINVAL, d.update(stranger.page(), 0, 1));
    assertEquals(-EINVAL, d.update(1L << 50, 0, 1));
    long gdt = d.page();
    assertEquals(0, d.mmu.setGdt(v, new long[] {gdt}, 5));
    assertEquals(-EINVAL, d.update(gdt, 0, 0), "a descriptor page in use");
  }

  @Test
  void preservedBitsSurvive() {
    long data = d.page();
    long l1 = d.page(0, Pte.of(data, LEAF | Pte.W | Pte.D));
    assertEquals(0, d.pin(1, l1));
    long plain = Pte.of(data, Pte.P | Pte.U | Pte.GUEST_KERNEL);
    assertEquals(0, d.updateAt(l1 << 12, plain, 1, true));
    assertEquals(plain | Pte.A | Pte.D, m.entry(l1, 0));
    assertEquals(0, d.updateAt(l1 << 12, plain, 1, false));
    assertEquals(plain, m.entry(l1, 0));
  }

  @ParameterizedTest
  @ValueSource(
      longs = {
        1L << 63,
        0x0000_8000_0000_0000L,
        0xFFFF_8000_0000_0000L,
        0xFFFF_8200_0000_0000L,
        0xFFFF_87FF_FFFF_FFFFL,
        0x10_0000L
      })
  void addressesThatAreNotTheGuestsAreRefused(long va) { // XSA-279
    assertEquals(0, d.newBasePointer(v, d.tree(VA, 0)));
    int flushes = v.flushes;
    assertEquals(-EINVAL, d.updateMapping(v, va, 0, 1));
    assertEquals(flushes, v.flushes);
  }

  // ---- 6.3 pins and base pointers ----

  @Test
  void pinsAreCountedOnce() {
    long l4 = d.page();
    assertEquals(0, d.pin(4, l4));
    assertEquals(-EINVAL, d.pin(4, l4));
    assertEquals(-EINVAL, d.pin(3, l4));
    assertEquals(0, d.unpin(l4));
    assertEquals(-EINVAL, d.unpin(l4));
    assertEquals(-EINVAL, d.unpin(stranger.page()));
    assertEquals(-EINVAL, d.pin(4, stranger.page()));
    assertEquals(-EINVAL, d.pin(4, -1));
  }

  @Test
  void aBasePointerHoldsItsTableWithoutAPin() {
    long first = d.tree(VA, 0);
    long second = d.page();
    assertEquals(0, d.newBasePointer(v, first));
    assertEquals(0, d.newUserBasePointer(v, first, true));
    assertEquals(2, m.frames.typeCount(first));
    assertEquals(0, d.newBasePointer(v, second));
    assertEquals(FrameTable.L4, type(first), "the user's");
    assertEquals(0, d.newUserBasePointer(v, 0, true));
    assertEquals(-1, v.userTable());
    assertEquals(FrameTable.NONE, type(first));
    assertEquals(-EINVAL, d.newBasePointer(v, stranger.page()));
    assertEquals(second, v.kernelTable());
  }

  @Test
  void theUsersTableDoesNotShowTheM2pIfTheGuestWantsItStrict() {
    long user = d.page();
    assertEquals(0, d.newUserBasePointer(v, user, false));
    assertEquals(0, m.entry(user, 256));
    assertEquals(0, d.newBasePointer(v, user));
    assertNotEquals(0, m.entry(user, 256));
  }

  @Test
  void aVcpuIsSetUpWhollyOrNotAtAll() {
    long l4 = d.page();
    long writable = d.page();
    assertTrue(m.machine.getWritable(1, writable));
    assertEquals(-EINVAL, d.setUpVcpu(d.vcpus[1], l4, 0, new long[] {writable}, 3, 0, 0));
    assertEquals(-EINVAL, d.setUpVcpu(d.vcpus[1], l4, writable, new long[0], 0, 0, 0));
    assertEquals(-EINVAL, d.setUpVcpu(d.vcpus[1], l4, 0, new long[0], 0, 0x1001, 1));
    assertEquals(1, m.frames.references(l4));
    m.machine.putWritable(writable);
    assertEquals(0, d.setUpVcpu(d.vcpus[1], l4, l4, new long[] {writable}, 3, 0, 0));
    assertEquals(3, m.frames.references(l4));
  }

  // ---- walks and pages ----

  @Test
  void walksAgreeWithWhatWasMapped() {
    long data = d.page();
    long l4 = d.tree(VA, Pte.of(data, Pte.P | Pte.W));
    assertEquals(0, d.newBasePointer(v, l4));
    long translation = PageWalk.walk(m.segment, l4 << 12, VA, PageWalk.USER | PageWalk.WRITE);
    assertEquals(
        data << 12,
        PageWalk.frameAddress(translation),
        "U is forced, so user code gets through (17.36)");
  }

  /** A source of −1 was taken for "clear the page". */
  @Test
  void pagesAreCopiedFromFramesOfOnesOwnOnly() {
    long target = d.page(0, 0x1234);
    long source = d.page(0, 0x5678);
    for (long bad : new long[] {-1, -2, 1L << 40, stranger.page(), m.m2p.firstFrame()}) {
      assertEquals(-EINVAL, d.mmu.entries().copyPage(target, bad));
      assertEquals(0x1234, m.entry(target, 0));
    }
    assertEquals(0, d.mmu.entries().copyPage(target, source));
    assertEquals(0x5678, m.entry(target, 0));
    assertEquals(0, d.mmu.entries().clearPage(target));
    assertEquals(0, m.entry(target, 0));
  }
}
