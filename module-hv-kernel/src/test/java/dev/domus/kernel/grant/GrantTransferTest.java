package dev.domus.kernel.grant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantEntryLayout;
import dev.domus.kernel.abi.GrantOpLayout;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineToPhys;
import dev.domus.memory.paging.Pte;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * GNTTABOP_transfer, and the calls of version 2, as guests make them: a frame of the sender's goes
 * to the receiver, which maps it.
 */
class GrantTransferTest {
  private static final long ARG = 6 << 12, LIST = 7 << 12, GIFT = 8 << 12;
  private static final long TABLE = 20 << 12, STATUS = 21 << 12, ARRIVED = 22 << 12;
  private static final int REF = 9;
  private static final long LEAF = Pte.P | Pte.W | Pte.U | Pte.A;
  private static final int ACCEPTING = GrantEntryLayout.ACCEPT_TRANSFER;
  private static final int DONE =
      ACCEPTING | GrantEntryLayout.COMMITTED | GrantEntryLayout.COMPLETED;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final FrameTable frames = machine.hypervisor().machineFrames().table();
  private final MachineToPhys m2p = machine.hypervisor().machineFrames().m2p();
  private final Domain sender = machine.start();
  private final Domain receiver = machine.start();
  private final GuestAccess senderMemory = sender.vcpu(0).guest();
  private final GuestAccess memory = receiver.vcpu(0).guest();
  private final ScriptedVcpu senderGuest = machine.engine().vcpu(0);
  private final ScriptedVcpu guest = machine.engine().vcpu(1);
  private final long gift = machine.control().mfn(sender.domid(), GIFT >>> 12);

  /** The receiver gives a page back, so that there is room, and the sender unmaps the gift. */
  @BeforeEach
  void prepare() {
    senderMemory.putLong(GIFT + 8, 0x5EA1);
    unmap(senderGuest, GIFT);
    unmap(guest, 30 << 12);
    memory.putLong(LIST, machine.control().mfn(receiver.domid(), 30));
    memory.putLong(ARG, LIST);
    memory.putLong(ARG + 8, 1);
    memory.putLong(ARG + 16, 0);
    memory.putLong(ARG + 24, Domid.SELF);
    assertEquals(1, guest.hypercall(HypercallNumber.MEMORY_OP, 1, ARG));
    mapTable();
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private static void unmap(ScriptedVcpu vcpu, long va) {
    assertEquals(0, vcpu.hypercall(HypercallNumber.UPDATE_VA_MAPPING, va, 0, 0));
  }

  private void show(long va, long mfn) {
    assertEquals(0, guest.hypercall(HypercallNumber.UPDATE_VA_MAPPING, va, Pte.of(mfn, LEAF), 2));
  }

  private long op(int command) {
    return guest.hypercall(HypercallNumber.GRANT_TABLE_OP, command, ARG, 1);
  }

  private void mapTable() {
    memory.putLong(ARG, Domid.SELF | 1L << 32);
    memory.putLong(ARG + GrantOpLayout.SETUP_LIST, LIST);
    assertEquals(0, op(GrantOpLayout.SETUP_TABLE));
    show(TABLE, memory.getLong(LIST));
  }

  private long setVersion(int version) {
    memory.putInt(ARG, version);
    return op(GrantOpLayout.SET_VERSION);
  }

  private int transfer(long mfn, int domid, int ref) {
    senderMemory.putLong(ARG + GrantOpLayout.TRANSFER_MFN, mfn);
    senderMemory.putInt(ARG + GrantOpLayout.TRANSFER_DOMID, domid);
    senderMemory.putInt(ARG + GrantOpLayout.TRANSFER_REF, ref);
    senderMemory.putInt(ARG + GrantOpLayout.TRANSFER_STATUS, 0x7FFF);
    assertEquals(
        0, senderGuest.hypercall(HypercallNumber.GRANT_TABLE_OP, GrantOpLayout.TRANSFER, ARG, 1));
    return (short) senderMemory.getShort(ARG + GrantOpLayout.TRANSFER_STATUS);
  }

  private int transfer() {
    return transfer(gift, receiver.domid(), REF);
  }

  private void accept(int fromDomid) {
    memory.putLong(TABLE + 8 * REF, (ACCEPTING | (long) fromDomid << 16) & 0xFFFF_FFFFL);
  }

  private void assertStillTheSenders() {
    assertEquals(sender.domid(), frames.owner(gift));
    assertEquals(1, frames.references(gift));
    assertEquals(GIFT >>> 12, m2p.pfn(gift));
    assertEquals(TinyMachine.GUEST_PAGES, sender.mmu().pages());
    assertEquals(TinyMachine.GUEST_PAGES - 1, receiver.mmu().pages());
  }

  @Test
  void aFrameChangesItsOwnerWithWhatIsInIt() {
    accept(sender.domid());
    assertEquals(GrantStatus.OKAY, transfer());
    assertEquals(DONE | sender.domid() << 16, memory.getInt(TABLE + 8 * REF));
    assertEquals(gift, memory.getInt(TABLE + 8 * REF + 4));
    assertEquals(receiver.domid(), frames.owner(gift));
    assertTrue(m2p.pfn(gift) < 0, "it has no number of the receiver's yet");
    assertEquals(TinyMachine.GUEST_PAGES - 1, sender.mmu().pages());
    assertEquals(TinyMachine.GUEST_PAGES, receiver.mmu().pages());
    show(ARRIVED, gift);
    assertEquals(0x5EA1, memory.getLong(ARRIVED + 8));
    assertThrows(GuestFault.class, () -> senderMemory.getLong(GIFT));
    assertTrue(
        senderGuest.hypercall(HypercallNumber.UPDATE_VA_MAPPING, GIFT, Pte.of(gift, LEAF), 0) < 0,
        "it is not the sender's any more");
    assertEquals(GrantStatus.BAD_PAGE, transfer(), "nor to be given twice");
    machine.control().destroyDomain(receiver.domid());
    assertFalse(frames.isAllocated(gift));
  }

  @Test
  void whatIsRefusedStaysWhereItWas() {
    accept(receiver.domid());
    assertEquals(GrantStatus.GENERAL_ERROR, transfer(), "waits for another's");
    memory.putLong(TABLE + 8 * REF, GrantEntryLayout.PERMIT_ACCESS | sender.domid() << 16);
    assertEquals(GrantStatus.GENERAL_ERROR, transfer(), "does not wait");
    accept(sender.domid());
    assertEquals(GrantStatus.GENERAL_ERROR, transfer(gift, receiver.domid(), 512));
    assertEquals(GrantStatus.GENERAL_ERROR, transfer(gift, receiver.domid(), -1));
    assertEquals(GrantStatus.BAD_DOMAIN, transfer(gift, 999, REF));
    assertEquals(GrantStatus.BAD_DOMAIN, transfer(gift, Domid.SELF, REF));
    assertEquals(GrantStatus.BAD_DOMAIN, transfer(gift, 0xFFFF, REF));
    long mapped = machine.control().mfn(sender.domid(), 9);
    long table = machine.control().mfn(sender.domid(), 3);
    long theirs = machine.control().mfn(receiver.domid(), 9);
    long shared = sender.sharedInfo() >>> 12;
    for (long bad : new long[] {mapped, table, theirs, shared, 0, -1, 1L << 40, Long.MIN_VALUE}) {
      assertEquals(GrantStatus.BAD_PAGE, transfer(bad, receiver.domid(), REF), () -> "mfn " + bad);
    }
    assertEquals(ACCEPTING | sender.domid() << 16, memory.getInt(TABLE + 8 * REF));
    assertStillTheSenders();
  }

  @Test
  void aDomainGetsNoMoreThanItMayHave() {
    accept(sender.domid());
    assertEquals(1, receiver.mmu().maxPages() - receiver.mmu().pages());
    assertTrue(receiver.mmu().allocate(0) >= 0);
    assertEquals(GrantStatus.GENERAL_ERROR, transfer());
    assertEquals(ACCEPTING | sender.domid() << 16, memory.getInt(TABLE + 8 * REF));
    assertEquals(sender.domid(), frames.owner(gift));
  }

  @Test
  void aMappedGrantKeepsItsFrameFromBeingTransferred() { // XSA-214
    accept(sender.domid());
    machine.control().seedGrant(sender.domid(), REF, receiver.domid(), GIFT >>> 12);
    memory.putLong(ARG, ARRIVED);
    memory.putInt(ARG + 8, GrantMappings.HOST_MAP | GrantMappings.READONLY);
    memory.putInt(ARG + 12, REF);
    memory.putInt(ARG + 16, sender.domid());
    assertEquals(0, op(GrantOpLayout.MAP_GRANT_REF));
    assertEquals(0, memory.getShort(ARG + GrantOpLayout.MAP_STATUS));
    int handle = memory.getInt(ARG + GrantOpLayout.MAP_HANDLE);
    assertEquals(GrantStatus.BAD_PAGE, transfer());
    memory.putLong(ARG + 8, 0);
    memory.putInt(ARG + 16, handle);
    assertEquals(0, op(GrantOpLayout.UNMAP_GRANT_REF));
    assertEquals(GrantStatus.OKAY, transfer());
    memory.putLong(ARG, ARRIVED);
    memory.putInt(ARG + 8, GrantMappings.HOST_MAP | GrantMappings.READONLY);
    memory.putInt(ARG + 12, REF);
    memory.putInt(ARG + 16, sender.domid());
    assertEquals(0, op(GrantOpLayout.MAP_GRANT_REF));
    assertEquals(
        GrantStatus.BAD_PAGE,
        (short) memory.getShort(ARG + GrantOpLayout.MAP_STATUS),
        "the sender's old grant reaches it no more");
  }

  @Test
  void aFrameForgetsWhatItWasUsedAs() { // XSA-214
    assertEquals(FrameTable.MUST_VALIDATE, frames.takeType(gift, FrameTable.SEGDESC));
    frames.validated(gift);
    assertEquals(FrameTable.LAST, frames.putType(gift));
    assertEquals(FrameTable.SEGDESC, frames.type(gift));
    accept(sender.domid());
    assertEquals(GrantStatus.OKAY, transfer());
    assertEquals(FrameTable.MUST_VALIDATE, frames.takeType(gift, FrameTable.SEGDESC));
    frames.validationFailed(gift);
  }

  @Test
  void aDomainMayGiveToItself() {
    memory.putLong(TABLE + 8 * REF, ACCEPTING | (long) receiver.domid() << 16);
    long own = machine.control().mfn(receiver.domid(), ARRIVED >>> 12);
    unmap(guest, ARRIVED);
    memory.putLong(ARG, own);
    memory.putInt(ARG + 8, receiver.domid());
    memory.putInt(ARG + 12, REF);
    assertEquals(0, op(GrantOpLayout.TRANSFER));
    assertEquals(0, memory.getShort(ARG + GrantOpLayout.TRANSFER_STATUS));
    assertEquals(own, memory.getInt(TABLE + 8 * REF + 4));
    assertEquals(TinyMachine.GUEST_PAGES - 1, receiver.mmu().pages());
    assertEquals(receiver.domid(), frames.owner(own));
  }

  @Test
  void inVersion2TooAndWithStatusesThatAreMapped() {
    assertEquals(0, setVersion(2));
    assertEquals(2, memory.getInt(ARG));
    memory.putLong(ARG, 1 | (long) Domid.SELF << 32);
    memory.putLong(ARG + GrantOpLayout.STATUS_FRAMES_LIST, LIST);
    assertEquals(0, op(GrantOpLayout.GET_STATUS_FRAMES));
    assertEquals(0, memory.getShort(ARG + GrantOpLayout.STATUS_FRAMES_STATUS));
    show(STATUS, memory.getLong(LIST));
    assertEquals(0, memory.getLong(STATUS));
    memory.putLong(TABLE + 16 * REF, ACCEPTING | (long) sender.domid() << 16);
    assertEquals(GrantStatus.OKAY, transfer());
    assertEquals(DONE | sender.domid() << 16, memory.getInt(TABLE + 16 * REF));
    assertEquals(gift, memory.getLong(TABLE + 16 * REF + 8));
    assertEquals(-Errno.EBUSY, setVersion(1), "statuses are mapped");
    assertEquals(2, memory.getInt(ARG), "which version it is");
    unmap(guest, STATUS);
    assertEquals(0, setVersion(1));
    assertEquals(0, memory.getLong(TABLE + 16 * REF));
  }

  @Test
  void statusFramesAreAskedFor() {
    memory.putLong(ARG, (long) Domid.SELF << 32);
    memory.putLong(ARG + GrantOpLayout.STATUS_FRAMES_LIST, LIST);
    assertEquals(0, op(GrantOpLayout.GET_STATUS_FRAMES));
    assertEquals(0, memory.getShort(ARG + GrantOpLayout.STATUS_FRAMES_STATUS), "none in version 1");
    assertEquals(0, setVersion(2));
    int[][] wrong = {
      {2, Domid.SELF, GrantStatus.GENERAL_ERROR},
      {-1, Domid.SELF, GrantStatus.GENERAL_ERROR},
      {1, 999, GrantStatus.BAD_DOMAIN},
      {1, sender.domid(), GrantStatus.PERMISSION_DENIED}
    };
    for (int[] w : wrong) {
      memory.putInt(ARG, w[0]);
      memory.putInt(ARG + 4, w[1]);
      assertEquals(0, op(GrantOpLayout.GET_STATUS_FRAMES));
      assertEquals(w[2], (short) memory.getShort(ARG + GrantOpLayout.STATUS_FRAMES_STATUS));
    }
    memory.putLong(ARG, 1 | (long) Domid.SELF << 32);
    memory.putLong(ARG + GrantOpLayout.STATUS_FRAMES_LIST, 3 << 12);
    assertEquals(0, op(GrantOpLayout.GET_STATUS_FRAMES));
    assertEquals(
        GrantStatus.BAD_VIRT_ADDR,
        (short) memory.getShort(ARG + GrantOpLayout.STATUS_FRAMES_STATUS));
    assertEquals(
        -Errno.EINVAL,
        guest.hypercall(HypercallNumber.GRANT_TABLE_OP, GrantOpLayout.GET_STATUS_FRAMES, ARG, 2));
  }

  /** Guests without translated memory map their table by its frames, not by add_to_physmap. */
  @Test
  void theTableIsNotAddedToAPhysmapThatIsNotThere() {
    memory.putLong(ARG, Domid.SELF | 1L << 32);
    memory.putLong(ARG + 8, 0);
    memory.putLong(ARG + 16, 25);
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.MEMORY_OP, 7, ARG));
  }
}
