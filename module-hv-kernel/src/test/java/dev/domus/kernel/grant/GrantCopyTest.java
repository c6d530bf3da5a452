package dev.domus.kernel.grant;

import static dev.domus.kernel.abi.GrantEntryLayout.PERMIT_ACCESS;
import static dev.domus.kernel.abi.GrantEntryLayout.READONLY;
import static dev.domus.kernel.abi.GrantStatus.BAD_COPY_ARG;
import static dev.domus.kernel.abi.GrantStatus.BAD_DOMAIN;
import static dev.domus.kernel.abi.GrantStatus.BAD_GNTREF;
import static dev.domus.kernel.abi.GrantStatus.BAD_PAGE;
import static dev.domus.kernel.abi.GrantStatus.GENERAL_ERROR;
import static dev.domus.kernel.abi.GrantStatus.OKAY;
import static dev.domus.kernel.abi.GrantStatus.PERMISSION_DENIED;
import static dev.domus.kernel.grant.GrantCopy.DESTINATION_IS_REF;
import static dev.domus.kernel.grant.GrantCopy.SOURCE_IS_REF;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.domus.kernel.abi.Domid;
import dev.domus.memory.FrameTable;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class GrantCopyTest {
  private static final int REF = 9;

  private final FakeGrantMachine machine = new FakeGrantMachine();
  private final GrantTable remote = machine.domain(1);
  private final GrantTable caller = machine.domain(2);
  private final GrantCopy copy = caller.call(0).copy();
  private final long granted = machine.ram(1);
  private final long own = machine.ram(2);

  @AfterEach
  void close() {
    machine.close();
  }

  private byte get(long mfn, int offset) {
    return machine.memory.segment().get(ValueLayout.JAVA_BYTE, (mfn << 12) + offset);
  }

  private void fill(long mfn, int value) {
    machine.memory.segment().asSlice(mfn << 12, 4096).fill((byte) value);
  }

  private int out(int offset, int length) {
    return copy.copy(own, Domid.SELF, 0, REF, 1, offset, length, DESTINATION_IS_REF);
  }

  private int in(int ref, int domid, int length) {
    return copy.copy(ref, domid, 0, own, Domid.SELF, 0, length, SOURCE_IS_REF);
  }

  private void assertUnused() {
    assertEquals(0, machine.flags(remote, REF) & ~(PERMIT_ACCESS | READONLY));
    assertEquals(1, machine.table.references(granted));
    assertEquals(1, machine.table.references(own));
    assertEquals(0, machine.table.typeCount(granted));
    assertEquals(0, machine.table.typeCount(own));
  }

  @Test
  void exactlyTheBytesAskedForAreCopied() {
    machine.grant(remote, REF, PERMIT_ACCESS, 2, granted);
    fill(own, 5);
    int version = machine.code.watch(granted);
    assertEquals(OKAY, out(100, 50));
    assertEquals(0, get(granted, 99));
    assertEquals(5, get(granted, 100));
    assertEquals(5, get(granted, 149));
    assertEquals(0, get(granted, 150));
    assertNotEquals(version, machine.code.version(granted), "engines are told");
    fill(granted, 6);
    assertEquals(OKAY, in(REF, 1, 4096));
    assertEquals(6, get(own, 4095));
    assertEquals(OKAY, out(4096, 0));
    assertUnused();
  }

  @Test
  void betweenTwoGrantsAndWithinOwnFrames() {
    machine.grant(remote, REF, PERMIT_ACCESS, 2, granted);
    long second = machine.ram(1);
    machine.grant(remote, REF + 1, PERMIT_ACCESS | READONLY, 2, second);
    fill(second, 3);
    int both = SOURCE_IS_REF | DESTINATION_IS_REF;
    assertEquals(OKAY, copy.copy(REF + 1, 1, 0, REF, 1, 0, 10, both));
    assertEquals(3, get(granted, 9));
    assertEquals(GENERAL_ERROR, copy.copy(REF, 1, 0, REF + 1, 1, 0, 10, both));
    fill(own, 4);
    long other = machine.ram(2);
    assertEquals(OKAY, copy.copy(own, Domid.SELF, 0, other, Domid.SELF, 4000, 96, 0));
    assertEquals(4, get(other, 4095));
    assertUnused();
  }

  @Test
  void badArgumentsCopyNothing() {
    machine.grant(remote, REF, PERMIT_ACCESS | READONLY, 2, granted);
    fill(own, 5);
    assertEquals(BAD_COPY_ARG, out(4000, 97));
    assertEquals(BAD_COPY_ARG, in(REF, 1, 4097));
    assertEquals(GENERAL_ERROR, out(0, 10), "granted for reading");
    assertEquals(BAD_DOMAIN, in(REF, 77, 10));
    assertEquals(BAD_GNTREF, in(5000, 1, 10));
    assertEquals(GENERAL_ERROR, in(REF + 1, 1, 10));
    assertEquals(PERMISSION_DENIED, copy.copy(granted, 1, 0, own, Domid.SELF, 0, 10, 0));
    assertEquals(
        PERMISSION_DENIED,
        copy.copy(own, 2, 0, own, Domid.SELF, 0, 10, 0),
        "frames are DOMID_SELF's, not one's own id's");
    for (long stranger : new long[] {granted, 0, -1, FakeGrantMachine.FRAMES, 1L << 60}) {
      assertEquals(BAD_PAGE, copy.copy(stranger, Domid.SELF, 0, own, Domid.SELF, 0, 10, 0));
      assertEquals(BAD_PAGE, copy.copy(own, Domid.SELF, 0, stranger, Domid.SELF, 0, 10, 0));
    }
    assertEquals(0, get(granted, 0));
    assertUnused();
  }

  @Test
  void aPageTableIsNoDestination() {
    machine.grant(remote, REF, PERMIT_ACCESS, 2, granted);
    assertEquals(FrameTable.MUST_VALIDATE, machine.table.takeType(granted, FrameTable.L1));
    machine.table.validated(granted);
    assertEquals(BAD_PAGE, out(0, 8));
    assertEquals(OKAY, in(REF, 1, 8));
  }

  @Test
  void aRunHoldsWhatItNamesAgainAndGivesItBackAtItsEnd() {
    machine.grant(remote, REF, PERMIT_ACCESS, 2, granted);
    for (int i = 0; i < 3; i++) {
      fill(own, i);
      assertEquals(OKAY, outInRun(REF, 0, 4096));
      assertEquals(i, get(granted, 4095));
      assertEquals(2, machine.table.references(granted));
      assertEquals(1, machine.table.typeCount(granted));
    }
    copy.endRun();
    assertUnused();
    copy.endRun();
    assertUnused();
  }

  @Test
  void aRunGivesAPageBackWhenItNamesAnother() {
    machine.grant(remote, REF, PERMIT_ACCESS, 2, granted);
    long second = machine.ram(1);
    machine.grant(remote, REF + 1, PERMIT_ACCESS, 2, second);
    fill(own, 7);
    assertEquals(OKAY, outInRun(REF, 0, 8));
    assertEquals(OKAY, outInRun(REF + 1, 0, 8));
    assertEquals(7, get(second, 0));
    assertEquals(1, machine.table.references(granted));
    assertEquals(0, machine.flags(remote, REF) & ~PERMIT_ACCESS);
    assertEquals(GENERAL_ERROR, outInRun(REF + 2, 0, 8), "not granted");
    assertEquals(1, machine.table.references(second));
    assertEquals(0, machine.flags(remote, REF + 1) & ~PERMIT_ACCESS);
    copy.endRun();
    assertUnused();
  }

  @Test
  void whatIsHeldForReadingIsNoDestination() {
    machine.grant(remote, REF, PERMIT_ACCESS | READONLY, 2, granted);
    fill(granted, 4);
    assertEquals(OKAY, copy.copyInRun(REF, 1, 0, own, Domid.SELF, 0, 8, SOURCE_IS_REF));
    assertEquals(GENERAL_ERROR, outInRun(REF, 0, 8));
    assertEquals(4, get(granted, 0));
    copy.endRun();
    assertUnused();
  }

  @Test
  void aFrameAndAReferenceOfTheSameNumberAreTwoThings() {
    machine.grant(remote, REF, PERMIT_ACCESS, 2, granted);
    fill(own, 3);
    assertEquals(OKAY, outInRun(REF, 0, 8));
    assertEquals(
        BAD_PAGE,
        copy.copyInRun(own, Domid.SELF, 0, REF, Domid.SELF, 0, 8, 0),
        "frame 9 is not the caller's");
    copy.endRun();
    assertUnused();
  }

  private int outInRun(int ref, int offset, int length) {
    return copy.copyInRun(own, Domid.SELF, 0, ref, 1, offset, length, DESTINATION_IS_REF);
  }
}
