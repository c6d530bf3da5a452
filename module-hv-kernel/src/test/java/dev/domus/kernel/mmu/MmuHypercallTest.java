package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.HypercallNumber.MEMORY_OP;
import static dev.domus.kernel.abi.HypercallNumber.MMUEXT_OP;
import static dev.domus.kernel.abi.HypercallNumber.MMU_UPDATE;
import static dev.domus.kernel.abi.HypercallNumber.SET_GDT;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING_OTHERDOMAIN;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.FrameTable;
import dev.domus.memory.PhysToMachine;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The MMU hypercalls through the whole path: arguments, batches, error numbers (xen-pv-abi.md, 6,
 * 7, 13).
 */
class MmuHypercallTest {
  private static final long ARG = 6 << 12;
  private static final long DONE = 7 << 12;
  private static final long LEAF = Pte.P | Pte.U | Pte.A;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private Domain domain;
  private Domain stranger;
  private Vcpu vcpu;
  private ScriptedVcpu guest;
  private FrameTable frames;

  @BeforeEach
  void start() {
    domain = machine.start();
    vcpu = domain.vcpu(0);
    guest = machine.engine().vcpu(0);
    stranger = machine.build(1);
    frames = domain.mmu().machine().table();
    guest.hypercall(24, 7, 0); // no periodic timer
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private long mfn(int pfn) {
    return domain.mmu().p2m().mfn(pfn);
  }

  private void store(long... words) {
    for (int i = 0; i < words.length; i++) {
      vcpu.guest().putLong(ARG + 8L * i, words[i]);
    }
  }

  private long leafPlace(int pfn) {
    return (mfn(3) << 12) + 8L * pfn;
  }

  private long done() {
    return vcpu.guest().getInt(DONE);
  }

  private long read(long ma) {
    return domain.hypervisor().memory().get(ValueLayout.JAVA_LONG, ma);
  }

  @Test
  void aBatchStopsAtTheFirstErrorAndSaysHowManyWereDone() {
    vcpu.guest().putInt(DONE, 99);
    long strangers = stranger.mmu().p2m().mfn(9);
    store(
        leafPlace(20),
        0, // unmap page 20
        leafPlace(21) | 2,
        Pte.of(mfn(21), LEAF), // page 21 read-only, keeping A and D
        leafPlace(22),
        Pte.of(strangers, LEAF), // refused
        leafPlace(23),
        0); // not reached
    assertEquals(-Errno.EBUSY, guest.hypercall(MMU_UPDATE, ARG, 4, DONE, Domid.SELF));
    assertEquals(2, done());
    assertEquals(0, read(leafPlace(20)));
    assertNotEquals(0, read(leafPlace(23)));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 0, DONE, Domid.SELF));
    assertEquals(0, done());
  }

  @Test
  void commandsThatDoNotExistAndPlacesThatAreNotOnesOwn() {
    store(leafPlace(20) | 4, 0);
    assertEquals(-Errno.ENOSYS, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    store(stranger.mmu().p2m().mfn(3) << 12, 0);
    assertEquals(-Errno.EINVAL, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    store(-8, 0);
    assertEquals(-Errno.EINVAL, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    store((mfn(0) << 12) + 8 * 258, 0);
    assertEquals(
        -Errno.EINVAL, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF), "a reserved slot");
  }

  @Test
  void otherDomainsCannotBeNamed() {
    store(leafPlace(20), 0);
    assertEquals(-Errno.EPERM, guest.hypercall(MMU_UPDATE, ARG, 1, 0, stranger.domid()));
    assertEquals(-Errno.ESRCH, guest.hypercall(MMU_UPDATE, ARG, 1, 0, 4711));
    assertEquals(
        -Errno.EPERM,
        guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF | (stranger.domid() + 1L) << 16));
    assertEquals(-Errno.EPERM, guest.hypercall(MMUEXT_OP, ARG, 1, 0, stranger.domid()));
    assertEquals(
        -Errno.EPERM,
        guest.hypercall(UPDATE_VA_MAPPING_OTHERDOMAIN, 20 << 12, 0, 0, stranger.domid()));
    assertNotEquals(0, read(leafPlace(20)));
  }

  @Test
  void anArrayThatReachesIntoTheHypervisorsRangeHasNoEffect() { // XSA-212
    assertEquals(-Errno.EFAULT, guest.hypercall(MMU_UPDATE, 0x7FFF_FFFF_FFF0L, 2, 0, Domid.SELF));
    assertEquals(
        -Errno.EFAULT, guest.hypercall(MMU_UPDATE, 0xFFFF_8000_0000_0000L, 1, 0, Domid.SELF));
    store(leafPlace(20), 0);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0xFFFF_8000_0000_0000L, Domid.SELF));
    assertEquals(0, read(leafPlace(20)), "that the count cannot be told does not matter");
  }

  @Test
  void machphysUpdatesGoToOwnFramesOnly() {
    store(mfn(20) << 12 | 1, 1234);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    assertEquals(1234, domain.mmu().machine().m2p().pfn(mfn(20)));
    long strangers = stranger.mmu().p2m().mfn(9);
    store(strangers << 12 | 1, 1234);
    assertEquals(-Errno.EINVAL, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    assertEquals(9, domain.mmu().machine().m2p().pfn(strangers));
  }

  @Test
  void anEntryAboveTheLeavesThatWasPresentFlushesTheTlb() { // XSA-286
    long place = (mfn(2) << 12) + 8 * 100;
    int flushes = guest.flushes();
    store(place, Pte.of(mfn(3), LEAF));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    assertEquals(flushes, guest.flushes(), "nobody has cached what was not there");
    store(place, 0);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    assertTrue(guest.flushes() > flushes);
  }

  @Test
  void oneMappingByItsAddress() {
    long va = 20 << 12;
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, va, Pte.of(mfn(21), LEAF), 2));
    assertEquals(mfn(21), Pte.mfn(read(leafPlace(20))));
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, va, 0, 4 | 1));
    assertEquals(
        0,
        guest.hypercall(UPDATE_VA_MAPPING, va, Pte.of(mfn(20), LEAF), ARG | 1),
        "a set of vCPUs");
    assertEquals(-Errno.EINVAL, guest.hypercall(UPDATE_VA_MAPPING, 1L << 63, 0, 2));
    assertEquals(-Errno.EINVAL, guest.hypercall(UPDATE_VA_MAPPING, 1L << 40, 0, 0), "no table");
    assertEquals(
        -Errno.EBUSY, guest.hypercall(UPDATE_VA_MAPPING, va, Pte.of(mfn(3), LEAF | Pte.W), 0));
  }

  @Test
  void aFlushSetThatCannotBeReadLeavesTheMappingAsItIs() {
    long before = read(leafPlace(20));
    assertEquals(
        -Errno.EFAULT, guest.hypercall(UPDATE_VA_MAPPING, 20 << 12, 0, 0x4000_0000_0000L | 1));
    assertEquals(before, read(leafPlace(20)));
  }

  @Test
  void grubsBatchPinsSwitchesAndUnpins() { // 6.3
    guest.hypercall(UPDATE_VA_MAPPING, 20 << 12, Pte.of(mfn(20), LEAF), 2);
    domain
        .hypervisor()
        .memory()
        .set(ValueLayout.JAVA_LONG, mfn(20) << 12, Pte.of(mfn(1), Pte.P | Pte.W | Pte.U));
    store(3, mfn(20), 0, 5, mfn(20), 0, 4, mfn(0), 0);
    assertEquals(0, guest.hypercall(MMUEXT_OP, ARG, 3, DONE, Domid.SELF));
    assertEquals(3, done());
    assertEquals(mfn(20), vcpu.kernelTable());
    assertEquals(0, frames.typeCount(mfn(0)));
    assertTrue(frames.isPinned(mfn(20)));
    assertEquals(
        0,
        guest.hypercall(UPDATE_VA_MAPPING, 0, Pte.of(mfn(0), LEAF | Pte.W), 2),
        "the old L4 is memory again");
  }

  @Test
  void extendedOperationsAnswerAsTheAbiSays() {
    long[][] cases = {
      {12, 0, 0, -Errno.EACCES},
      {18, 0, 0, -Errno.EINVAL},
      {19, 0, 0, -Errno.EOPNOTSUPP},
      {20, 0, 0, -Errno.EOPNOTSUPP},
      {14, 0, 0, -Errno.ENOSYS},
      {21, 0, 0, -Errno.ENOSYS},
      {6, 0, 0, 0},
      {7, 0x1234, 0, 0},
      {7, 1L << 63, 0, 0},
      {8, 0, ARG, 0},
      {8, 0, 0x4000_0000_0000L, -Errno.EINVAL},
      {9, 0, ARG, 0},
      {10, 0, 0, 0},
      {11, 0, 0, 0},
      {13, 0x1000, 8192, 0},
      {13, 0x1001, 1, -Errno.EINVAL},
      {13, 0x1000, 8193, -Errno.EINVAL},
      {13, 0xFFFF_8000_0000_0000L, 1, -Errno.EINVAL},
      {15, mfn(0), 0, 0},
      {15, mfn(1), 0, -Errno.EINVAL},
      {15, 0, 0, 0},
      {4, mfn(20), 0, -Errno.EINVAL},
      {3, mfn(0), 0, -Errno.EINVAL}, // pinned already
      {2, mfn(0), 0, -Errno.EINVAL},
      {0, mfn(20), 0, -Errno.EINVAL}, // mapped writable
      {5, stranger.mmu().p2m().mfn(0), 0, -Errno.EINVAL},
      {16, mfn(3), 0, -Errno.EINVAL},
      {16, mfn(21), 0, 0},
      {17, mfn(21), mfn(6), 0},
      {17, mfn(21), stranger.mmu().p2m().mfn(9), -Errno.EINVAL}
    };
    for (long[] c : cases) {
      store(c[0], c[1], c[2]);
      assertEquals(
          c[3],
          guest.hypercall(MMUEXT_OP, ARG, 1, 0, Domid.SELF),
          () -> "command %d arg1=0x%x arg2=0x%x".formatted(c[0], c[1], c[2]));
    }
    assertEquals(17, read(mfn(21) << 12), "the copy of this very request");
  }

  @Test
  void aGdtIsTakenFromFramesThatAreNotWritable() {
    store(mfn(20));
    assertEquals(-Errno.EINVAL, guest.hypercall(SET_GDT, ARG, 16));
    guest.hypercall(UPDATE_VA_MAPPING, 20 << 12, Pte.of(mfn(20), LEAF), 2);
    assertEquals(0, guest.hypercall(SET_GDT, ARG, 16));
    assertEquals(FrameTable.SEGDESC, frames.type(mfn(20)));
    assertEquals(-Errno.EINVAL, guest.hypercall(SET_GDT, ARG, 7169));
    assertEquals(-Errno.EFAULT, guest.hypercall(SET_GDT, 0x4000_0000_0000L, 16));
    assertEquals(0, guest.hypercall(SET_GDT, 0, 0));
    assertEquals(0, frames.typeCount(mfn(20)));
  }

  private void reservation(long at, long list, long count, int order) {
    vcpu.guest().putLong(at, list);
    vcpu.guest().putLong(at + 8, count);
    vcpu.guest().putInt(at + 16, order);
    vcpu.guest().putInt(at + 20, 0xFF00); // a bogus node: must not matter (XSA-231)
    vcpu.guest().putInt(at + 24, Domid.SELF);
  }

  @Test
  void aBalloonDeflatesAndInflates() {
    long mfn = mfn(20);
    vcpu.guest().putLong(DONE, mfn);
    reservation(ARG, DONE, 1, 0);
    assertEquals(0, guest.hypercall(MEMORY_OP, 1, ARG), "still mapped");
    guest.hypercall(UPDATE_VA_MAPPING, 20 << 12, 0, 2);
    assertEquals(1, guest.hypercall(MEMORY_OP, 1, ARG));
    assertEquals(FrameTable.NOBODY, frames.owner(mfn));
    assertEquals(31, domain.mmu().pages());
    vcpu.guest().putLong(DONE, 20);
    assertEquals(1, guest.hypercall(MEMORY_OP, 6, ARG));
    long fresh = vcpu.guest().getLong(DONE);
    assertEquals(20, domain.mmu().machine().m2p().pfn(fresh));
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, 20 << 12, Pte.of(fresh, LEAF | Pte.W), 2));
    assertEquals(0, guest.hypercall(MEMORY_OP, 6, ARG), "no more than the domain may have");
  }

  @Test
  void framesAreExchanged() {
    for (int pfn = 20; pfn < 24; pfn++) {
      vcpu.guest().putLong(DONE + 8L * (pfn - 20), mfn(pfn));
      guest.hypercall(UPDATE_VA_MAPPING, (long) pfn << 12, 0, 2);
    }
    long out = 8 << 12;
    vcpu.guest().putLong(out, 20);
    reservation(ARG, DONE, 4, 0);
    reservation(ARG + 32, out, 1, 2);
    vcpu.guest().putLong(ARG + 64, 0);
    long old = mfn(20);
    assertEquals(0, guest.hypercall(MEMORY_OP, 11, ARG));
    assertEquals(4, vcpu.guest().getLong(ARG + 64));
    long fresh = vcpu.guest().getLong(out);
    assertEquals(0, fresh & 3, "contiguous and aligned");
    assertEquals(23, domain.mmu().machine().m2p().pfn(fresh + 3));
    assertEquals(32, domain.mmu().pages());
    assertNotEquals(domain.domid(), frames.owner(old));
    vcpu.guest().putLong(ARG + 64, 0);
    assertEquals(
        -Errno.EINVAL, guest.hypercall(MEMORY_OP, 11, ARG), "they are not the domain's any more");
    assertEquals(0, vcpu.guest().getLong(ARG + 64));
    vcpu.guest().putLong(ARG + 32, 0xFFFF_8000_0000_0000L);
    assertEquals(-Errno.EFAULT, guest.hypercall(MEMORY_OP, 11, ARG)); // XSA-212
    reservation(ARG + 32, out, 2, 2);
    assertEquals(-Errno.EINVAL, guest.hypercall(MEMORY_OP, 11, ARG), "sizes differ");
  }

  @Test
  void aReservationNeverAnswersWithAnErrorNumber() {
    for (int command : new int[] {0, 1, 6}) {
      assertEquals(0, guest.hypercall(MEMORY_OP, command, 1L << 40), "no such argument");
      reservation(ARG, 0xFFFF_8000_0000_0000L, 1, 0);
      assertEquals(0, guest.hypercall(MEMORY_OP, command, ARG), "a list that is the hypervisor's");
      reservation(ARG, DONE, 1, 0);
      vcpu.guest().putLong(ARG + 24, 4711);
      assertEquals(0, guest.hypercall(MEMORY_OP, command, ARG), "no such domain");
    }
  }

  @Test
  void questionsAboutMemory() {
    vcpu.guest().putLong(ARG, Domid.SELF);
    assertEquals(domain.hypervisor().frames(), guest.hypercall(MEMORY_OP, 2, 0));
    assertEquals(32, guest.hypercall(MEMORY_OP, 3, ARG));
    assertEquals(32, guest.hypercall(MEMORY_OP, 4, ARG));
    assertEquals(0, guest.hypercall(MEMORY_OP, 12, ARG));
    assertEquals(0xFFFF_8000_0000_0000L, vcpu.guest().getLong(ARG));
    assertEquals((1L << 35) - 1, vcpu.guest().getLong(ARG + 16));
    store(10, DONE, 0);
    assertEquals(0, guest.hypercall(MEMORY_OP, 5, ARG));
    assertEquals(1, vcpu.guest().getInt(ARG + 16));
    store(5, DONE, 0);
    assertEquals(0, guest.hypercall(MEMORY_OP, 9, ARG));
    assertEquals(1, vcpu.guest().getInt(ARG), "one entry: RAM from 0 to the maximum");
    assertEquals(0, vcpu.guest().getLong(DONE));
    assertEquals(32 << 12, vcpu.guest().getLong(DONE + 8));
    assertEquals(1, vcpu.guest().getInt(DONE + 16));
    store(1, 1L << 40, 0);
    assertEquals(-Errno.EFAULT, guest.hypercall(MEMORY_OP, 9, ARG));
    store(Domid.SELF, 0, 0);
    assertEquals(-Errno.EINVAL, guest.hypercall(MEMORY_OP, 7, ARG), "for translated domains");
    assertEquals(-Errno.ENOSYS, guest.hypercall(MEMORY_OP, 23, ARG));
    assertEquals(0, guest.hypercall(MEMORY_OP, 13, ARG), "an empty map is none");
    assertEquals(-Errno.ENOSYS, guest.hypercall(MEMORY_OP, 9, ARG));
  }

  @Test
  void aBatchThatUnmapsItsOwnCountTakesApartAllTheSameWhatItUnhooked() {
    int continued = 0;
    for (int i = 0; i < 5 || continued == 0 && i < 200; i++) {
      try (TinyMachine impatient = new TinyMachine(TestSchedulers.impatient(), 1, 8L << 20)) {
        Domain d = impatient.start();
        ScriptedVcpu caller = impatient.engine().vcpu(0);
        PhysToMachine p2m = d.mmu().p2m();
        for (int pfn = 20; pfn < 28; pfn++) { // eight more L1 tables below the L2
          long table = Pte.of(p2m.mfn(pfn), Pte.P | Pte.U);
          assertEquals(0, caller.hypercall(UPDATE_VA_MAPPING, (long) pfn << 12, table, 0));
          request(d, (p2m.mfn(2) << 12) + 8 * (pfn - 19), table);
          assertEquals(0, caller.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
        }
        request(d, p2m.mfn(0) << 12, 0); // slot 0 of the L4, below which everything is
        int before = caller.continued();
        assertEquals(0, caller.hypercall(MMU_UPDATE, ARG, 1, ARG + 0x100, Domid.SELF));
        FrameTable frames = impatient.hypervisor().machineFrames().table();
        for (int pfn : new int[] {1, 2, 3, 20, 24, 27}) {
          assertEquals(0, frames.typeCount(p2m.mfn(pfn)), "round " + i + " pfn " + pfn);
        }
        continued += caller.continued() - before;
      }
    }
    assertTrue(continued > 0);
  }

  private static void request(Domain d, long place, long entry) {
    d.vcpu(0).guest().putLong(ARG, place);
    d.vcpu(0).guest().putLong(ARG + 8, entry);
  }
}
