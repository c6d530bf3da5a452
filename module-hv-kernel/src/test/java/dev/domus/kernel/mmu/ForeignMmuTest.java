package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.HypercallNumber.MEMORY_OP;
import static dev.domus.kernel.abi.HypercallNumber.MMUEXT_OP;
import static dev.domus.kernel.abi.HypercallNumber.MMU_UPDATE;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING_OTHERDOMAIN;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Denial;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineToPhys;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What a privileged guest domain may do to another's frames, tables and reservation, and what an
 * ordinary one may not (xen-pv-abi.md, 6 and 13).
 */
class ForeignMmuTest {
  private static final long ARG = 6 << 12;
  private static final long LIST = 7 << 12;
  private static final long LEAF = Pte.P | Pte.U | Pte.A;
  private static final int FREE_PFN = 20;
  private static final long FREE_VA = (long) FREE_PFN << 12;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private Domain privileged;
  private Domain other;
  private Domain third;
  private Vcpu vcpu;
  private ScriptedVcpu guest;
  private ScriptedVcpu ordinary;
  private FrameTable frames;

  @BeforeEach
  void start() {
    privileged = machine.buildPrivileged(1);
    other = machine.build(1);
    third = machine.build(1);
    machine.control().unpause(privileged.domid());
    machine.control().unpause(third.domid());
    vcpu = privileged.vcpu(0);
    guest = machine.engine().vcpu(0);
    ordinary = machine.engine().vcpu(2);
    frames = privileged.mmu().machine().table();
    guest.hypercall(24, 7, 0); // no periodic timer
    ordinary.hypercall(24, 7, 0);
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private static long mfn(Domain domain, int pfn) {
    return domain.mmu().p2m().mfn(pfn);
  }

  private void store(long... words) {
    for (int i = 0; i < words.length; i++) {
      vcpu.guest().putLong(ARG + 8L * i, words[i]);
    }
  }

  private static long leafPlace(Domain domain, int pfn) {
    return (mfn(domain, 3) << 12) + 8L * pfn;
  }

  private static long of(Domain tables, int owner) {
    return owner | (tables.domid() + 1L) << 16;
  }

  private long read(long ma) {
    return machine.hypervisor().memory().get(ValueLayout.JAVA_LONG, ma);
  }

  private void scan() {
    new InvariantScanner(
            privileged.mmu().machine(),
            () ->
                machine.hypervisor().domains().stream()
                    .map(d ->
                        new InvariantScanner.Space(
                            d.domid(), d.mmu(), new AddressSpaces[] {d.vcpu(0)}))
                    .toList())
        .privileged(privileged.domid())
        .scan();
  }

  @Test
  void anothersFramesAreMappedWithItsReferencesAndTypes() {
    long data = mfn(other, 9);
    long before = frames.references(data);
    store(leafPlace(privileged, FREE_PFN), Pte.of(data, LEAF | Pte.W));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, other.domid()));
    assertEquals(before + 1, frames.references(data));
    assertEquals(2, frames.typeCount(data), "the owner's writable mapping and this one");
    scan();
    assertEquals(
        0,
        guest.hypercall(
            UPDATE_VA_MAPPING_OTHERDOMAIN,
            FREE_VA,
            Pte.of(mfn(other, 10), LEAF),
            0,
            other.domid()));
    assertEquals(before, frames.references(data));
    scan();
    assertEquals(
        -Errno.EBUSY,
        guest.hypercall(
            UPDATE_VA_MAPPING_OTHERDOMAIN,
            FREE_VA,
            Pte.of(mfn(other, 3), LEAF | Pte.W),
            0,
            other.domid()),
        "a page table of the other's");
    assertEquals(
        0,
        guest.hypercall(
            UPDATE_VA_MAPPING_OTHERDOMAIN, FREE_VA, Pte.of(mfn(other, 3), LEAF), 0, other.domid()),
        "which may be read");
    assertEquals(
        -Errno.EBUSY,
        guest.hypercall(
            UPDATE_VA_MAPPING_OTHERDOMAIN, FREE_VA, Pte.of(mfn(third, 9), LEAF), 0, other.domid()),
        "a frame of somebody else's than was named");
    assertEquals(
        -Errno.EBUSY,
        guest.hypercall(UPDATE_VA_MAPPING, FREE_VA, Pte.of(mfn(other, 9), LEAF), 0),
        "privilege has to be used by name");
    scan();
  }

  @Test
  void clearingAForeignMappingFlushesBeforeTheFrameIsLetGo() {
    assertEquals(
        0,
        guest.hypercall(
            UPDATE_VA_MAPPING_OTHERDOMAIN, FREE_VA, Pte.of(mfn(other, 9), LEAF), 0, other.domid()));
    int flushes = guest.flushes();
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, FREE_VA, 0, 0)); // asks for no flush
    assertTrue(guest.flushes() > flushes);
  }

  @Test
  void aTableWithForeignMappingsIsTakenApartButNotTakenInUseAgain() {
    long l1 = mfn(privileged, 21);
    store(leafPlace(privileged, 21), Pte.of(l1, LEAF)); // no longer writable
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    store(0, l1);
    vcpu.guest().putInt(ARG, 0);
    assertEquals(0, guest.hypercall(MMUEXT_OP, ARG, 1, 0, Domid.SELF), "pin it empty");
    store(l1 << 12, Pte.of(mfn(other, 9), LEAF));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, other.domid()));
    long mapped = frames.references(mfn(other, 9));
    scan();
    store(4, l1);
    assertEquals(0, guest.hypercall(MMUEXT_OP, ARG, 1, 0, Domid.SELF), "unpin");
    assertEquals(mapped - 1, frames.references(mfn(other, 9)));
    store(0, l1);
    assertEquals(-Errno.EBUSY, guest.hypercall(MMUEXT_OP, ARG, 1, 0, Domid.SELF));
    scan();
  }

  @Test
  void anothersPageTablesAreChangedUnderItsRules() {
    long old = read(leafPlace(other, FREE_PFN));
    store(leafPlace(other, FREE_PFN), Pte.of(mfn(other, 21), LEAF));
    assertEquals(
        -Errno.EINVAL,
        guest.hypercall(MMU_UPDATE, ARG, 1, 0, other.domid()),
        "the tables were not named as the other's");
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, of(other, other.domid())));
    assertEquals(mfn(other, 21), Pte.mfn(read(leafPlace(other, FREE_PFN))));
    scan();
    store(leafPlace(other, FREE_PFN), Pte.of(mfn(other, 3), LEAF | Pte.W));
    assertEquals(-Errno.EBUSY, guest.hypercall(MMU_UPDATE, ARG, 1, 0, of(other, other.domid())));
    store(leafPlace(other, FREE_PFN), Pte.of(mfn(third, 9), LEAF));
    assertEquals(-Errno.EBUSY, guest.hypercall(MMU_UPDATE, ARG, 1, 0, of(other, other.domid())));
    store(leafPlace(privileged, FREE_PFN), 0);
    assertEquals(
        -Errno.EINVAL,
        guest.hypercall(MMU_UPDATE, ARG, 1, 0, of(other, other.domid())),
        "one's own table is none of the other's");
    store(leafPlace(other, FREE_PFN), old);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, of(other, other.domid())));
    scan();
  }

  @Test
  void changingAnothersHigherTableFlushesThatDomain() {
    long place = (mfn(other, 2) << 12) + 8L * 5;
    machine.control().unpause(other.domid());
    machine.engine().vcpu(1).step(s -> Exit.BUDGET);
    store(place, Pte.of(mfn(other, 3), LEAF));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, of(other, other.domid())));
    int flushes = machine.engine().vcpu(1).flushes();
    store(place, 0);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, of(other, other.domid())));
    machine.engine().vcpu(1).step(s -> Exit.BUDGET);
    assertTrue(machine.engine().vcpu(1).flushes() > flushes);
  }

  @Test
  void anothersTablesArePinnedAndItsPagesCleared() {
    long l1 = mfn(other, 22);
    store(leafPlace(other, 22), Pte.of(l1, LEAF));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, of(other, other.domid())));
    store(0, l1);
    assertEquals(0, guest.hypercall(MMUEXT_OP, ARG, 1, 0, other.domid()));
    assertTrue(frames.isPinned(l1));
    assertEquals(-Errno.EINVAL, guest.hypercall(MMUEXT_OP, ARG, 1, 0, third.domid()));
    scan();
    store(4, l1);
    assertEquals(0, guest.hypercall(MMUEXT_OP, ARG, 1, 0, other.domid()));
    assertFalse(frames.isPinned(l1));
    store(16, mfn(other, 23));
    assertEquals(0, guest.hypercall(MMUEXT_OP, ARG, 1, 0, other.domid()));
    store(16, mfn(other, 3));
    assertEquals(-Errno.EINVAL, guest.hypercall(MMUEXT_OP, ARG, 1, 0, other.domid()), "a table");
    for (int command : new int[] {5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 18}) {
      store(command, mfn(other, 0));
      assertEquals(
          -Errno.EPERM, guest.hypercall(MMUEXT_OP, ARG, 1, 0, other.domid()), "command " + command);
    }
    for (int command : new int[] {14, 21, -1}) {
      store(command & 0xFFFF_FFFFL, 0);
      assertEquals(
          -Errno.ENOSYS, guest.hypercall(MMUEXT_OP, ARG, 1, 0, other.domid()), "no such command");
    }
    assertEquals(-Errno.ESRCH, guest.hypercall(MMUEXT_OP, ARG, 1, 0, 4711));
    scan();
  }

  @Test
  void theM2pOfAnothersFrameIsSet() {
    MachineToPhys m2p = privileged.mmu().machine().m2p();
    store(mfn(other, 9) << 12 | 1, 0x1234);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, other.domid()));
    assertEquals(0x1234, m2p.pfn(mfn(other, 9)));
    store(mfn(third, 9) << 12 | 1, 0x1234);
    assertEquals(-Errno.EINVAL, guest.hypercall(MMU_UPDATE, ARG, 1, 0, other.domid()));
    assertEquals(9, m2p.pfn(mfn(third, 9)));
  }

  @Test
  void theM2pItselfIsMappedForReadingOnly() {
    long m2p = privileged.mmu().machine().m2p().firstFrame();
    long references = frames.references(m2p);
    assertEquals(
        0,
        guest.hypercall(UPDATE_VA_MAPPING_OTHERDOMAIN, FREE_VA, Pte.of(m2p, LEAF), 0, Domid.XEN));
    assertEquals(references + 1, frames.references(m2p));
    scan();
    assertEquals(
        -Errno.EBUSY,
        guest.hypercall(
            UPDATE_VA_MAPPING_OTHERDOMAIN, FREE_VA, Pte.of(m2p, LEAF | Pte.W), 0, Domid.XEN));
    long tablesOfTheM2p = Pte.mfn(privileged.mmu().machine().m2pMap().slotEntry());
    assertEquals(
        -Errno.EBUSY,
        guest.hypercall(
            UPDATE_VA_MAPPING_OTHERDOMAIN, FREE_VA, Pte.of(tablesOfTheM2p, LEAF), 0, Domid.XEN),
        "the hypervisor's, and not shared");
    assertEquals(
        -Errno.EPERM,
        ordinary.hypercall(
            UPDATE_VA_MAPPING_OTHERDOMAIN, FREE_VA, Pte.of(m2p, LEAF), 0, Domid.XEN));
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, FREE_VA, 0, 0));
    assertEquals(references, frames.references(m2p));
    scan();
  }

  @Test
  void anOrdinaryDomainIsRefusedAndItIsWrittenDown() {
    assertEquals(-Errno.EPERM, ordinary.hypercall(MMU_UPDATE, ARG, 0, 0, other.domid()));
    assertEquals(-Errno.EPERM, ordinary.hypercall(MMU_UPDATE, ARG, 0, 0, of(other, Domid.SELF)));
    assertEquals(-Errno.EPERM, ordinary.hypercall(MMUEXT_OP, ARG, 0, 0, other.domid()));
    assertEquals(-Errno.EPERM, ordinary.hypercall(MMUEXT_OP, ARG, 0, 0, Domid.IO));
    Denial last = machine.hypervisor().access().denials().getLast();
    assertEquals(new Denial(Operation.CHANGE_TABLES, third.domid(), Domid.IO, 1, 0), last);
    assertEquals(1, machine.hypervisor().access().refusals(Operation.MAP_FRAMES));
    assertEquals(3, machine.hypervisor().access().refusals(Operation.CHANGE_TABLES));
  }

  @Test
  void aTargetThatDiesKeepsItsFrameUntilItIsUnmapped() {
    long data = mfn(other, 9);
    store(leafPlace(privileged, FREE_PFN), Pte.of(data, LEAF | Pte.W));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, other.domid()));
    int gone = other.domid();
    machine.control().destroyDomain(gone);
    assertEquals(gone, frames.owner(data));
    assertEquals(1, frames.references(data));
    assertTrue(privileged.mmu().machine().isOwner(gone));
    assertEquals(-Errno.ESRCH, guest.hypercall(MMU_UPDATE, ARG, 1, 0, gone));
    assertEquals(-Errno.ESRCH, guest.hypercall(MMUEXT_OP, ARG, 1, 0, gone));
    scan();
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, FREE_VA, 0, 0));
    assertEquals(FrameTable.NOBODY, frames.owner(data));
    assertFalse(privileged.mmu().machine().isOwner(gone));
    scan();
  }

  @Test
  void aFrameThatIsGivenUpIsNoGuestFrameThoughItIsStillMapped() {
    MachineToPhys m2p = privileged.mmu().machine().m2p();
    long given = mfn(other, 9);
    long kept = mfn(other, 10);
    store(
        leafPlace(privileged, FREE_PFN),
        Pte.of(given, LEAF),
        leafPlace(privileged, FREE_PFN + 1),
        Pte.of(kept, LEAF));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 2, 0, other.domid()));
    assertTrue(other.mmu().giveBack(given));
    assertEquals(MachineToPhys.INVALID, m2p.pfn(given));
    machine.control().destroyDomain(other.domid());
    assertEquals(MachineToPhys.INVALID, m2p.pfn(kept));
    scan();
  }

  @Test
  void aMapperThatDiesLetsGo() {
    long data = mfn(other, 9);
    long before = frames.references(data);
    store(leafPlace(privileged, FREE_PFN), Pte.of(data, LEAF | Pte.W));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, other.domid()));
    machine.control().destroyDomain(privileged.domid());
    assertEquals(before, frames.references(data));
    scan();
  }

  // ---- reservations

  private void reservation(long list, long count, int order, int domid) {
    store(list, count, order, domid);
  }

  @Test
  void anothersReservationIsChangedAndAskedAfter() {
    int domid = other.domid();
    long pages = other.mmu().pages();
    store(domid);
    assertEquals(pages, guest.hypercall(MEMORY_OP, 3, ARG));
    assertEquals(other.mmu().maxPages(), guest.hypercall(MEMORY_OP, 4, ARG));
    long gone = mfn(other, 20);
    reservation(LIST, 1, 0, domid);
    vcpu.guest().putLong(LIST, gone);
    assertEquals(0, guest.hypercall(MEMORY_OP, 1, ARG), "the owner has it mapped");
    store(leafPlace(other, 20), 0);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, of(other, domid)));
    reservation(LIST, 1, 0, domid);
    assertEquals(1, guest.hypercall(MEMORY_OP, 1, ARG));
    assertEquals(pages - 1, other.mmu().pages());
    vcpu.guest().putLong(LIST, 20);
    assertEquals(1, guest.hypercall(MEMORY_OP, 6, ARG), "populate");
    long fresh = vcpu.guest().getLong(LIST);
    assertEquals(domid, frames.owner(fresh));
    assertEquals(fresh, mfn(other, 20));
    assertEquals(20, other.mmu().machine().m2p().pfn(fresh));
    assertEquals(0, guest.hypercall(MEMORY_OP, 0, ARG), "no more than it may have");
    scan();
  }

  @Test
  void anothersFramesAreExchangedWithTheM2pKeptTrue() {
    long old = mfn(other, 20);
    store(leafPlace(other, 20), 0);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, of(other, other.domid())));
    store(LIST, 1, 0, other.domid(), LIST + 8, 1, 0, other.domid(), 0);
    vcpu.guest().putLong(LIST, old);
    vcpu.guest().putLong(LIST + 8, 20);
    assertEquals(0, guest.hypercall(MEMORY_OP, 11, ARG));
    long fresh = vcpu.guest().getLong(LIST + 8);
    assertEquals(other.domid(), frames.owner(fresh));
    assertEquals(20, other.mmu().machine().m2p().pfn(fresh));
    if (fresh != old) {
      assertEquals(MachineToPhys.INVALID, other.mmu().machine().m2p().pfn(old));
    }
    scan();
  }

  @Test
  void anOrdinaryDomainChangesAndAsksAfterItsOwnReservationOnly() {
    Vcpu asking = third.vcpu(0);
    asking.guest().putLong(ARG, LIST);
    asking.guest().putLong(ARG + 8, 1);
    asking.guest().putLong(ARG + 16, 0);
    asking.guest().putLong(ARG + 24, other.domid());
    asking.guest().putLong(LIST, mfn(other, 20));
    for (int command : new int[] {0, 1, 6}) {
      assertEquals(0, ordinary.hypercall(MEMORY_OP, command, ARG));
    }
    asking.guest().putLong(ARG, other.domid());
    assertEquals(-Errno.EPERM, ordinary.hypercall(MEMORY_OP, 3, ARG));
    asking.guest().putLong(ARG, 4711);
    assertEquals(-Errno.ESRCH, ordinary.hypercall(MEMORY_OP, 3, ARG));
    assertEquals(3, machine.hypervisor().access().refusals(Operation.ADJUST_MEMORY));
    assertEquals(1, machine.hypervisor().access().refusals(Operation.QUERY_MEMORY));
  }
}
