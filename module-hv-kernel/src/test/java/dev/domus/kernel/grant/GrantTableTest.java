package dev.domus.kernel.grant;

import static dev.domus.kernel.abi.GrantEntryLayout.PERMIT_ACCESS;
import static dev.domus.kernel.abi.GrantEntryLayout.READING;
import static dev.domus.kernel.abi.GrantEntryLayout.READONLY;
import static dev.domus.kernel.abi.GrantEntryLayout.SUB_PAGE;
import static dev.domus.kernel.abi.GrantEntryLayout.WRITING;
import static dev.domus.kernel.abi.GrantStatus.BAD_DOMAIN;
import static dev.domus.kernel.abi.GrantStatus.BAD_GNTREF;
import static dev.domus.kernel.abi.GrantStatus.BAD_PAGE;
import static dev.domus.kernel.abi.GrantStatus.EAGAIN;
import static dev.domus.kernel.abi.GrantStatus.GENERAL_ERROR;
import static dev.domus.kernel.abi.GrantStatus.OKAY;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Errno;
import dev.domus.memory.FrameTable;
import dev.domus.memory.WindowRevokedException;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class GrantTableTest {
  private static final int REF = 9;

  private final FakeGrantMachine machine = new FakeGrantMachine();
  private final GrantTable granter = machine.domain(1);
  private final GrantWindows mapper = new GrantWindows(2, machine);
  private final long mfn = machine.ram(1);

  @AfterEach
  void close() {
    machine.close();
  }

  private GrantWindows.Mapped map(boolean writable) {
    return (GrantWindows.Mapped) mapper.map(1, REF, writable);
  }

  private int refusal(int domid, int ref, boolean writable) {
    return ((GrantWindows.Refused) mapper.map(domid, ref, writable)).status();
  }

  @Test
  void aWindowShowsTheGrantedFrameAndMarksTheEntry() {
    machine.grant(granter, REF, PERMIT_ACCESS, 2, mfn);
    machine.memory.segment().asSlice(mfn << 12, 4096).fill((byte) 7);
    GrantWindows.Mapped mapping = map(true);
    assertEquals(7, mapping.window().getByte(4095));
    mapping.window().putByte(0, (byte) 8);
    assertEquals(8, machine.memory.segment().get(ValueLayout.JAVA_BYTE, mfn << 12));
    assertEquals(PERMIT_ACCESS | READING | WRITING, machine.flags(granter, REF));
    mapping.close();
    mapping.close();
    assertEquals(PERMIT_ACCESS, machine.flags(granter, REF));
    assertThrows(WindowRevokedException.class, () -> mapping.window().getByte(0));
    assertEquals(1, machine.table.references(mfn));
    assertEquals(0, machine.table.typeCount(mfn));
  }

  @Test
  void nobodyMapsWhatWasNotGrantedToHim() {
    machine.grant(granter, REF, PERMIT_ACCESS, 3, mfn);
    assertEquals(GENERAL_ERROR, refusal(1, REF, false));
    machine.grant(granter, REF, 0, 2, mfn);
    assertEquals(GENERAL_ERROR, refusal(1, REF, false));
    machine.grant(granter, REF, PERMIT_ACCESS | SUB_PAGE, 2, mfn);
    assertEquals(GENERAL_ERROR, refusal(1, REF, false));
    machine.grant(granter, REF, PERMIT_ACCESS | READONLY, 2, mfn);
    assertEquals(GENERAL_ERROR, refusal(1, REF, true));
    assertEquals(PERMIT_ACCESS | READONLY, machine.flags(granter, REF));
    assertEquals(BAD_GNTREF, refusal(1, 512, false));
    assertEquals(BAD_GNTREF, refusal(1, -1, false));
    assertEquals(BAD_DOMAIN, refusal(5, REF, false));
  }

  @Test
  void onlyTheGrantersOwnFramesCanBeGranted() {
    for (long frame : new long[] {machine.ram(3), 0, 0xFFFF_FFFFL, FakeGrantMachine.FRAMES}) {
      machine.grant(granter, REF, PERMIT_ACCESS, 2, frame);
      assertEquals(BAD_PAGE, refusal(1, REF, false));
      assertEquals(PERMIT_ACCESS, machine.flags(granter, REF), "undone");
    }
  }

  @Test
  void aPageTableIsNotGrantedForWritingAndAWritableGrantKeepsAFrameFromBecomingOne() {
    machine.grant(granter, REF, PERMIT_ACCESS, 2, mfn);
    assertEquals(FrameTable.MUST_VALIDATE, machine.table.takeType(mfn, FrameTable.L1));
    machine.table.validated(mfn);
    assertEquals(BAD_PAGE, refusal(1, REF, true));
    GrantWindows.Mapped reading = map(false);
    assertEquals(FrameTable.MUST_DEVALIDATE, machine.table.putType(mfn));
    machine.table.devalidated(mfn);
    GrantWindows.Mapped writing = map(true);
    assertEquals(FrameTable.REFUSED, machine.table.takeType(mfn, FrameTable.L1));
    writing.close();
    reading.close();
    assertEquals(FrameTable.MUST_VALIDATE, machine.table.takeType(mfn, FrameTable.L1));
  }

  @Test
  void flagsGoWithTheLastUserOfTheirKind() {
    machine.grant(granter, REF, PERMIT_ACCESS, 2, mfn);
    GrantWindows.Mapped reading = map(false);
    assertEquals(PERMIT_ACCESS | READING, machine.flags(granter, REF));
    GrantWindows.Mapped writing = map(true);
    GrantWindows.Mapped writing2 = map(true);
    writing.close();
    assertEquals(PERMIT_ACCESS | READING | WRITING, machine.flags(granter, REF));
    writing2.close();
    assertEquals(PERMIT_ACCESS | READING, machine.flags(granter, REF));
    reading.close();
    assertEquals(PERMIT_ACCESS, machine.flags(granter, REF));
  }

  @Test
  void aGrantInUseCannotBeTakenAwayOrTurnedIntoAnother() {
    machine.grant(granter, REF, PERMIT_ACCESS | READONLY, 2, mfn);
    GrantWindows.Mapped mapping = map(false);
    long other = machine.ram(1);
    machine.grant(granter, REF, PERMIT_ACCESS, 3, other);
    GrantWindows stranger = new GrantWindows(3, machine);
    assertEquals(
        new GrantWindows.Refused(GENERAL_ERROR),
        stranger.map(1, REF, false),
        "in use by another domain");
    assertEquals(GENERAL_ERROR, refusal(1, REF, true), "the entry no longer permits it");
    GrantWindows.Mapped again = map(false);
    machine.memory.segment().asSlice(mfn << 12, 4096).fill((byte) 9);
    assertEquals(9, again.window().getByte(0), "the frame that was granted at first");
    again.close();
    mapping.close();
    assertTrue(stranger.map(1, REF, false) instanceof GrantWindows.Mapped);
  }

  @Test
  void framesOutliveTheGranterUntilTheyAreUnmapped() {
    machine.grant(granter, REF, PERMIT_ACCESS, 2, mfn);
    GrantWindows.Mapped mapping = map(true);
    long free = machine.allocator.freeFrames();
    granter.teardown();
    machine.tables.remove(1);
    assertEquals(free + 1, machine.allocator.freeFrames(), "the table's own frame");
    machine.table.dropAllocation(mfn);
    machine.put(mfn);
    mapping.window().putByte(0, (byte) 1);
    assertEquals(1, mapping.window().getByte(0));
    mapping.close();
    assertEquals(free + 2, machine.allocator.freeFrames());
    assertEquals(BAD_DOMAIN, refusal(1, REF, false));
  }

  @Test
  void aMapperThatEndsGivesEverythingBack() {
    machine.grant(granter, REF, PERMIT_ACCESS, 2, mfn);
    map(true);
    map(false);
    mapper.close();
    assertEquals(PERMIT_ACCESS, machine.flags(granter, REF));
    assertEquals(1, machine.table.references(mfn));
  }

  @Test
  void theTableGrowsToItsLimitAndNotBeyond() {
    assertTrue(granter.grow(3));
    assertEquals(3, granter.frames());
    assertTrue(machine.table.isSpecial(granter.frame(2)));
    assertTrue(granter.grow(1));
    assertEquals(3, granter.frames(), "never shorter");
    assertFalse(granter.grow(GrantTable.MAX_FRAMES + 1));
    assertFalse(granter.grow(-1));
    assertTrue(granter.grow(GrantTable.MAX_FRAMES));
    machine.grant(granter, 64 * 512 - 1, PERMIT_ACCESS, 2, mfn);
    assertTrue(mapper.map(1, 64 * 512 - 1, true) instanceof GrantWindows.Mapped);
  }

  @Test
  void theToolstackSeedsEntries() {
    assertEquals(0, granter.seed(1, 2, mfn));
    assertEquals(PERMIT_ACCESS, machine.flags(granter, 1));
    assertTrue(mapper.map(1, 1, true) instanceof GrantWindows.Mapped);
    assertEquals(-Errno.EINVAL, granter.seed(512, 2, mfn));
  }

  @Test
  void entriesInUseAreNotSwapped() {
    machine.grant(granter, 8, PERMIT_ACCESS | READONLY, 3, machine.ram(1));
    machine.grant(granter, REF, PERMIT_ACCESS, 2, mfn);
    GrantWindows.Mapped mapping = map(true);
    assertEquals(EAGAIN, granter.swap(8, REF));
    mapping.close();
    assertEquals(OKAY, granter.swap(8, REF));
    assertEquals(PERMIT_ACCESS | READONLY, machine.flags(granter, REF));
    assertTrue(mapper.map(1, 8, true) instanceof GrantWindows.Mapped);
    assertEquals(BAD_GNTREF, granter.swap(8, 512));
    assertEquals(OKAY, granter.swap(8, 8));
  }

  /**
   * The guest rewrites its entry as fast as it can while others map and unmap it, and then dies.
   */
  @Test
  @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void mappingRacesWithAGuestThatRewritesItsEntryAndDies() throws Exception {
    long free = machine.allocator.freeFrames();
    for (int round = 0; round < 20; round++) {
      GrantTable victim = machine.domain(4);
      long frame = machine.ram(4);
      machine.grant(victim, REF, PERMIT_ACCESS, 2, frame);
      AtomicBoolean over = new AtomicBoolean();
      CompletableFuture<Void> guest = CompletableFuture.runAsync(() -> rewrite(victim, over));
      CompletableFuture<?>[] mappers = new CompletableFuture<?>[2];
      for (int i = 0; i < mappers.length; i++) {
        boolean writable = i == 0;
        mappers[i] = CompletableFuture.runAsync(() -> mapAndUnmap(frame, writable));
      }
      over.set(round % 2 == 0);
      guest.get(30, TimeUnit.SECONDS);
      victim.teardown();
      machine.tables.remove(4);
      CompletableFuture.allOf(mappers).get(30, TimeUnit.SECONDS);
      assertEquals(1, machine.table.references(frame));
      assertEquals(0, machine.table.typeCount(frame));
      machine.table.dropAllocation(frame);
      machine.put(frame);
      assertEquals(free, machine.allocator.freeFrames());
    }
  }

  private void rewrite(GrantTable victim, AtomicBoolean over) {
    Random random = new Random(1);
    for (int i = 0; i < 20_000 && !over.get(); i++) {
      machine.setFlags(victim, REF, random.nextInt(32));
    }
  }

  private void mapAndUnmap(long frame, boolean writable) {
    for (int i = 0; i < 5_000; i++) {
      if (mapper.map(4, REF, writable) instanceof GrantWindows.Mapped mapping) {
        mapping.window().getByte(0);
        mapping.close();
      }
    }
  }
}
