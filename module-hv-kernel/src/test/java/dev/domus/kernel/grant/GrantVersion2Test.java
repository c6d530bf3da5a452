package dev.domus.kernel.grant;

import static dev.domus.kernel.abi.GrantEntryLayout.ACCEPT_TRANSFER;
import static dev.domus.kernel.abi.GrantEntryLayout.PERMIT_ACCESS;
import static dev.domus.kernel.abi.GrantEntryLayout.READING;
import static dev.domus.kernel.abi.GrantEntryLayout.READONLY;
import static dev.domus.kernel.abi.GrantEntryLayout.SUB_PAGE;
import static dev.domus.kernel.abi.GrantEntryLayout.TRANSITIVE;
import static dev.domus.kernel.abi.GrantEntryLayout.WRITING;
import static dev.domus.kernel.abi.GrantStatus.BAD_GNTREF;
import static dev.domus.kernel.abi.GrantStatus.BAD_PAGE;
import static dev.domus.kernel.abi.GrantStatus.GENERAL_ERROR;
import static dev.domus.kernel.abi.GrantStatus.OKAY;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Domain 1 owns, domain 3 is in the middle, domain 2 uses. */
class GrantVersion2Test {
  private static final int REF = 9, MIDDLE_REF = 12, STORE = 1;

  private final FakeGrantMachine machine = new FakeGrantMachine();
  private final GrantTable granter = machine.domain(1);
  private final GrantTable user = machine.domain(2);
  private final GrantTable middle = machine.domain(3);
  private final GrantWindows windows = new GrantWindows(2, machine);
  private final GrantCopy copy = user.call(0).copy();
  private final long mfn = machine.ram(1);
  private final long own = machine.ram(2);

  @BeforeEach
  void version2() {
    for (GrantTable table : new GrantTable[] {granter, middle}) {
      assertTrue(table.grow(1));
      assertEquals(0, table.changeVersion(2));
      assertEquals(2, table.version());
    }
    machine.memory.segment().asSlice(mfn << 12, 4096).fill((byte) 7);
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private int map(int ref, boolean writable) {
    return switch (windows.map(1, ref, writable)) {
      case GrantWindows.Mapped mapped -> {
        mapped.close();
        yield OKAY;
      }
      case GrantWindows.Refused(int status) -> status;
    };
  }

  private int in(int domid, int ref, int offset, int length) {
    return copy.copy(ref, domid, offset, own, Domid.SELF, 0, length, GrantCopy.SOURCE_IS_REF);
  }

  private int out(int domid, int ref, int offset, int length) {
    return copy.copy(own, Domid.SELF, 0, ref, domid, offset, length, GrantCopy.DESTINATION_IS_REF);
  }

  private void passOn(int flags, int originDomid, int originRef) {
    machine.grantV2(middle, MIDDLE_REF, TRANSITIVE | flags, 2, originDomid, originRef);
  }

  private void assertUnused() {
    assertEquals(0, machine.status(granter, REF));
    assertEquals(0, machine.status(middle, MIDDLE_REF));
    assertEquals(1, machine.table.references(mfn));
    assertEquals(0, machine.table.typeCount(mfn));
    assertEquals(1, machine.table.references(own));
    assertEquals(0, machine.table.typeCount(own));
  }

  @Test
  void useIsMarkedInTheStatusAndNotInTheEntry() {
    int neighbour = READING << 16;
    machine
        .memory
        .segment()
        .set(ValueLayout.JAVA_INT, FakeGrantMachine.statusAt(granter, REF - 1), neighbour >>> 16);
    machine.grantV2(granter, REF, PERMIT_ACCESS, 2, 0, mfn);
    GrantWindows.Mapped reading = (GrantWindows.Mapped) windows.map(1, REF, false);
    assertEquals(READING, machine.status(granter, REF));
    GrantWindows.Mapped writing = (GrantWindows.Mapped) windows.map(1, REF, true);
    assertEquals(READING | WRITING, machine.status(granter, REF));
    assertEquals(READING, machine.status(granter, REF - 1), "the neighbour's is left alone");
    assertEquals(PERMIT_ACCESS | 2 << 16, machine.headerV2(granter, REF));
    assertEquals(7, writing.window().getByte(4095));
    writing.close();
    assertEquals(READING, machine.status(granter, REF));
    reading.close();
    assertUnused();
  }

  @Test
  void whatAnEntryDoesNotPermitIsRefused() {
    machine.grantV2(granter, REF, PERMIT_ACCESS | READONLY, 2, 0, mfn);
    assertEquals(GENERAL_ERROR, map(REF, true));
    assertEquals(OKAY, map(REF, false));
    machine.grantV2(granter, REF, PERMIT_ACCESS, 3, 0, mfn);
    assertEquals(GENERAL_ERROR, map(REF, false));
    machine.grantV2(granter, REF, ACCEPT_TRANSFER, 2, 0, mfn);
    assertEquals(GENERAL_ERROR, map(REF, false));
    assertEquals(GENERAL_ERROR, in(1, REF, 0, 1));
    assertEquals(BAD_GNTREF, map(256, false), "256 entries a frame");
    for (long frame : new long[] {own, FakeGrantMachine.FRAMES, 1L << 40, -1, Long.MIN_VALUE}) {
      machine.grantV2(granter, REF, PERMIT_ACCESS, 2, 0, frame);
      assertEquals(BAD_PAGE, map(REF, false), () -> "frame " + frame);
      assertEquals(BAD_PAGE, in(1, REF, 0, 1));
    }
    assertUnused();
  }

  @Test
  void aPartOfAPageIsCopiedAndNeverMapped() {
    machine.grantV2(granter, REF, PERMIT_ACCESS | SUB_PAGE, 2, 100 | 50 << 16, mfn);
    assertEquals(GENERAL_ERROR, map(REF, false));
    assertEquals(OKAY, in(1, REF, 100, 50));
    assertEquals(7, machine.memory.segment().get(ValueLayout.JAVA_BYTE, (own << 12) + 49));
    assertEquals(OKAY, out(1, REF, 149, 1));
    assertEquals(GENERAL_ERROR, in(1, REF, 99, 1));
    assertEquals(GENERAL_ERROR, in(1, REF, 150, 1));
    assertEquals(GENERAL_ERROR, in(1, REF, 100, 51));
    assertEquals(GENERAL_ERROR, out(1, REF, 0, 4096));
    assertUnused();
    machine.grantV2(granter, REF, PERMIT_ACCESS | SUB_PAGE, 2, 4000 | 0xFFFF << 16, mfn);
    assertEquals(OKAY, in(1, REF, 4000, 96));
    machine.grantV2(granter, REF, PERMIT_ACCESS | SUB_PAGE, 2, 4096 << 16, mfn);
    assertEquals(GENERAL_ERROR, map(REF, false), "all of it, but a part all the same");
    assertUnused();
  }

  @Test
  void aRunOfCopiesKeepsToThePart() {
    machine.grantV2(granter, REF, PERMIT_ACCESS | SUB_PAGE, 2, 100 | 50 << 16, mfn);
    int toOwn = GrantCopy.SOURCE_IS_REF;
    assertEquals(OKAY, copy.copyInRun(REF, 1, 100, own, Domid.SELF, 0, 50, toOwn));
    assertEquals(GENERAL_ERROR, copy.copyInRun(REF, 1, 99, own, Domid.SELF, 0, 1, toOwn));
    assertEquals(GENERAL_ERROR, copy.copyInRun(REF, 1, 149, own, Domid.SELF, 0, 2, toOwn));
    assertEquals(OKAY, copy.copyInRun(REF, 1, 149, own, Domid.SELF, 0, 1, toOwn));
    copy.endRun();
    assertUnused();
  }

  @Test
  void aPartThatIsBeingCopiedIsNotMappedEither() {
    machine.grantV2(granter, REF, PERMIT_ACCESS | SUB_PAGE, 2, 4096 << 16, mfn);
    assertTrue(granter.pin(REF, 2, false, Use.COPY) >= 0);
    machine.grantV2(granter, REF, PERMIT_ACCESS, 2, 0, mfn);
    assertEquals(GENERAL_ERROR, map(REF, false));
    assertEquals(GENERAL_ERROR, map(REF, true));
    granter.unpin(REF, false);
    assertEquals(OKAY, map(REF, true));
    assertUnused();
  }

  @Test
  void aGrantIsPassedOn() {
    machine.grantV2(granter, REF, PERMIT_ACCESS, 3, 0, mfn);
    passOn(0, 1, REF);
    assertEquals(OKAY, in(3, MIDDLE_REF, 0, 4096));
    assertEquals(7, machine.memory.segment().get(ValueLayout.JAVA_BYTE, (own << 12) + 4095));
    machine.memory.segment().asSlice(own << 12, 4096).fill((byte) 8);
    assertEquals(OKAY, out(3, MIDDLE_REF, 5, 1));
    assertEquals(8, machine.memory.segment().get(ValueLayout.JAVA_BYTE, (mfn << 12) + 5));
    assertEquals(GENERAL_ERROR, in(1, REF, 0, 1), "it is not granted to this domain itself");
    assertEquals(
        new GrantWindows.Refused(GENERAL_ERROR), windows.map(3, MIDDLE_REF, false), "not mapped");
    machine.grantV2(granter, REF, PERMIT_ACCESS | SUB_PAGE, 3, 10 | 10 << 16, mfn);
    assertEquals(OKAY, in(3, MIDDLE_REF, 10, 10));
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 9, 10), "the owner's part");
    assertUnused();
  }

  @Test
  void bothHaveToPermitWriting() {
    machine.grantV2(granter, REF, PERMIT_ACCESS, 3, 0, mfn);
    passOn(READONLY, 1, REF);
    assertEquals(GENERAL_ERROR, out(3, MIDDLE_REF, 0, 1));
    assertEquals(OKAY, in(3, MIDDLE_REF, 0, 1));
    machine.grantV2(granter, REF, PERMIT_ACCESS | READONLY, 3, 0, mfn);
    passOn(0, 1, REF);
    assertEquals(GENERAL_ERROR, out(3, MIDDLE_REF, 0, 1));
    assertEquals(OKAY, in(3, MIDDLE_REF, 0, 1));
    assertUnused();
  }

  @Test
  void whatIsRevokedAtEitherEndIsNotPassedOn() {
    machine.grantV2(granter, REF, PERMIT_ACCESS, 3, 0, mfn);
    passOn(0, 1, REF);
    machine.grantV2(granter, REF, 0, 3, 0, mfn);
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 0, 1));
    machine.grantV2(granter, REF, PERMIT_ACCESS, 2, 0, mfn);
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 0, 1), "not the middle's any more");
    passOn(0, 1, 200_000);
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 0, 1));
    passOn(0, 77, REF);
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 0, 1), "no such domain");
    passOn(0, Domid.SELF, REF);
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 0, 1));
    assertUnused();
    machine.grantV2(granter, REF, PERMIT_ACCESS, 3, 0, mfn);
    passOn(0, 1, REF);
    granter.teardown();
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 0, 1), "the owner has gone");
  }

  @Test
  void chainsAndLoopsAreRefused() { // XSA-226
    passOn(0, 3, MIDDLE_REF);
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 0, 1), "itself");
    passOn(0, 3, MIDDLE_REF + 1);
    machine.grantV2(middle, MIDDLE_REF + 1, PERMIT_ACCESS, 3, 0, machine.ram(3));
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 0, 1), "one of its own");
    machine.grantV2(granter, REF, TRANSITIVE, 3, 3, MIDDLE_REF);
    passOn(0, 1, REF);
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 0, 1), "a loop of two");
    machine.grantV2(granter, REF, TRANSITIVE, 3, 2, 8);
    assertEquals(GENERAL_ERROR, in(3, MIDDLE_REF, 0, 1), "a chain of two");
    assertUnused();
  }

  @Test
  void onesOwnGrantComesBackThroughAnother() {
    assertTrue(user.grow(1));
    assertEquals(0, user.changeVersion(2));
    machine.grantV2(user, 8, PERMIT_ACCESS, 3, 0, own);
    passOn(0, 2, 8);
    machine.grantV2(granter, REF, PERMIT_ACCESS, 2, 0, mfn);
    int refs = GrantCopy.SOURCE_IS_REF | GrantCopy.DESTINATION_IS_REF;
    assertEquals(OKAY, copy.copy(REF, 1, 0, MIDDLE_REF, 3, 0, 4096, refs));
    assertEquals(7, machine.memory.segment().get(ValueLayout.JAVA_BYTE, own << 12));
    assertUnused();
  }

  // ---- versions ----

  @Test
  void theToolstacksEntriesSurviveAChangeEvenInUse() {
    GrantTable fresh = machine.domain(4);
    long ring = machine.ram(4);
    assertEquals(0, fresh.seed(STORE, 2, ring));
    machine.grant(fresh, REF, PERMIT_ACCESS, 2, ring);
    GrantWindows.Mapped mapping = (GrantWindows.Mapped) windows.map(4, STORE, true);
    assertEquals(0, fresh.changeVersion(2));
    assertEquals(PERMIT_ACCESS | 2 << 16, machine.headerV2(fresh, STORE));
    assertEquals(READING | WRITING, machine.status(fresh, STORE));
    assertEquals(0, machine.headerV2(fresh, REF), "the others are cleared");
    assertEquals(0, machine.headerV2(fresh, REF / 2));
    mapping.close();
    assertEquals(0, machine.status(fresh, STORE));
    mapping = (GrantWindows.Mapped) windows.map(4, STORE, false);
    assertEquals(0, fresh.changeVersion(1));
    assertEquals(PERMIT_ACCESS | READING, machine.flags(fresh, STORE));
    mapping.close();
    assertEquals(PERMIT_ACCESS, machine.flags(fresh, STORE));
    assertEquals(0, fresh.changeVersion(1), "which it is already");
  }

  @Test
  void aVersionInUseIsNotChanged() {
    machine.grantV2(granter, 8, PERMIT_ACCESS, 2, 0, mfn);
    GrantWindows.Mapped mapping = (GrantWindows.Mapped) windows.map(1, 8, false);
    assertEquals(-Errno.EBUSY, granter.changeVersion(1));
    assertEquals(2, granter.version());
    mapping.close();
    long statuses = granter.statusFrames()[0];
    assertTrue(machine.get(1, statuses), "the guest maps it");
    assertEquals(-Errno.EBUSY, granter.changeVersion(1), "XSA-255");
    assertEquals(PERMIT_ACCESS | 2 << 16, machine.headerV2(granter, 8), "nothing is cleared");
    machine.put(statuses);
    long free = machine.allocator.freeFrames();
    assertEquals(0, granter.changeVersion(1));
    assertEquals(free + 1, machine.allocator.freeFrames());
    assertEquals(0, granter.statusFrames().length);
  }

  @Test
  void whatVersion1CannotSayStaysInVersion2() {
    long[][] entries = {
      {PERMIT_ACCESS | SUB_PAGE, mfn}, {TRANSITIVE, 5}, {PERMIT_ACCESS, 1L << 32}, {0, 1L << 33}
    };
    for (long[] entry : entries) {
      machine.grantV2(granter, 7, (int) entry[0], 2, 0, entry[1]);
      assertEquals(-Errno.ERANGE, granter.changeVersion(1));
      assertEquals(2, granter.version());
    }
    machine.grantV2(granter, 8, TRANSITIVE, 2, 0, 5);
    machine.grantV2(granter, 7, ACCEPT_TRANSFER, 2, 0, 5);
    assertEquals(0, granter.changeVersion(1));
    assertEquals(ACCEPT_TRANSFER, machine.flags(granter, 7));
  }

  @Test
  void statusesGrowWithTheTable() {
    assertEquals(1, granter.statusFrames().length);
    assertTrue(granter.grow(8));
    assertEquals(1, granter.statusFrames().length, "2048 a frame");
    assertTrue(granter.grow(9));
    assertEquals(2, granter.statusFrames().length);
    assertTrue(granter.grow(GrantTable.MAX_FRAMES));
    assertEquals(8, granter.statusFrames().length);
    int last = GrantTable.MAX_FRAMES * 256 - 1;
    machine.grantV2(granter, last, PERMIT_ACCESS, 2, 0, mfn);
    GrantWindows.Mapped mapping = (GrantWindows.Mapped) windows.map(1, last, false);
    assertEquals(READING, machine.status(granter, last));
    mapping.close();
    assertEquals(0, machine.status(granter, last));
    assertEquals(BAD_GNTREF, map(last + 1, false));
    long free = machine.allocator.freeFrames();
    granter.teardown();
    assertEquals(free + GrantTable.MAX_FRAMES + 8, machine.allocator.freeFrames());
  }

  @Test
  void withoutMemoryForStatusesTheVersionStays() {
    GrantTable fresh = machine.domain(4);
    assertTrue(fresh.grow(9));
    while (machine.allocator.freeFrames() > 1) {
      machine.allocateSpecial(5);
    }
    assertEquals(-Errno.ENOMEM, fresh.changeVersion(2));
    assertEquals(1, fresh.version());
    assertEquals(1, machine.allocator.freeFrames());
  }

  @Test
  void entriesOfVersion2AreSwapped() {
    machine.grantV2(granter, REF, PERMIT_ACCESS | SUB_PAGE, 2, 100 | 50 << 16, mfn);
    machine.grantV2(granter, REF + 1, PERMIT_ACCESS, 2, 0, mfn);
    assertEquals(OKAY, granter.swap(REF, REF + 1));
    assertEquals(OKAY, map(REF, true));
    assertEquals(OKAY, in(1, REF + 1, 100, 50));
    assertEquals(GENERAL_ERROR, in(1, REF + 1, 0, 50));
    assertUnused();
  }
}
