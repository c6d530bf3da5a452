package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.HypercallNumber.MEMORY_OP;
import static dev.domus.kernel.abi.HypercallNumber.MMUEXT_OP;
import static dev.domus.kernel.abi.HypercallNumber.MMU_UPDATE;
import static dev.domus.kernel.abi.HypercallNumber.SET_GDT;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_DESCRIPTOR;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING_OTHERDOMAIN;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.io.IoClaims;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.paging.Pte;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** I/O frames in page tables and in hypercall arguments, and what becomes of a right withdrawn. */
class IoFramesTest {
  private static final long ARG = 6 << 12;
  private static final long LEAF = Pte.P | Pte.U | Pte.A;
  private static final long CACHE_BITS = Pte.PCD | Pte.PWT | Pte.PS;
  private static final long VA = 20 << 12;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private Domain domain;
  private Domain privileged;
  private Vcpu vcpu;
  private ScriptedVcpu guest;
  private ScriptedVcpu master;
  private IoClaims claims;
  private long io;

  @BeforeEach
  void start() {
    domain = machine.start();
    privileged = machine.buildPrivileged(1);
    machine.control().unpause(privileged.domid());
    vcpu = domain.vcpu(0);
    guest = machine.engine().vcpu(0);
    master = machine.engine().vcpu(1);
    guest.hypercall(24, 7, 0); // no periodic timer
    master.hypercall(24, 7, 0);
    claims = machine.hypervisor().ioClaims(0);
    io = claims.memoryStart() + 3;
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private long map(long entry) {
    return guest.hypercall(UPDATE_VA_MAPPING, VA, entry, 0);
  }

  private void permit(Domain who, boolean allowed) {
    machine.control().permitIoMemory(who.domid(), io, 2, allowed);
  }

  private static IoHandler constant(long value) {
    return new IoHandler() {
      @Override
      public long load(long offset, int size) {
        return value + offset;
      }

      @Override
      public void store(long offset, int size, long stored) {
        throw new IllegalStateException("broken on purpose");
      }
    };
  }

  @Test
  void anIoFrameIsMappedByWhoHasTheRightAndWithAnyCaching() {
    assertEquals(-Errno.EPERM, map(Pte.of(io, LEAF | Pte.W)));
    assertEquals(-Errno.EINVAL, map(Pte.of(io, LEAF | Pte.PCD)), "flags come first");
    permit(domain, true);
    assertEquals(0, map(Pte.of(io, LEAF | Pte.W | CACHE_BITS)));
    assertEquals(0, map(Pte.of(io + 1, LEAF | Pte.PCD)));
    assertEquals(-Errno.EPERM, map(Pte.of(io + 2, LEAF)));
    assertEquals(-Errno.EPERM, map(Pte.of(io - 1, LEAF)));
    assertEquals(-Errno.EINVAL, map(Pte.of(Pte.ADDRESS_MASK >>> 12, LEAF)), "no frame at all");
    assertEquals(0, map(Pte.of(domain.mmu().p2m().mfn(20), LEAF | Pte.PCD)), "RAM uncached");
    assertEquals(
        -Errno.EACCES, map(Pte.of(domain.sharedInfo() >>> 12, LEAF | Pte.PCD)), "but not that");
    assertEquals(
        0,
        guest.hypercall(UPDATE_VA_MAPPING_OTHERDOMAIN, VA, Pte.of(io, LEAF), 0, Domid.IO),
        "by the name of DOMID_IO");
    assertEquals(
        -Errno.EBUSY,
        guest.hypercall(
            UPDATE_VA_MAPPING_OTHERDOMAIN,
            VA,
            Pte.of(domain.mmu().p2m().mfn(20), LEAF),
            0,
            Domid.IO),
        "which owns no RAM");
    assertEquals(0, map(0));
  }

  @Test
  void nothingButALeafRefersToAnIoFrame() {
    permit(domain, true);
    vcpu.guest().putLong(ARG, (domain.mmu().p2m().mfn(2) << 12) + 8 * 5);
    vcpu.guest().putLong(ARG + 8, Pte.of(io, LEAF));
    assertEquals(-Errno.EINVAL, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF), "as an L1");
    vcpu.guest().putLong(ARG, io << 12);
    assertEquals(-Errno.EINVAL, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF), "as a table");
    for (int command : new int[] {0, 3, 4, 5, 15, 16}) {
      vcpu.guest().putLong(ARG, command);
      vcpu.guest().putLong(ARG + 8, io);
      assertEquals(
          -Errno.EINVAL, guest.hypercall(MMUEXT_OP, ARG, 1, 0, Domid.SELF), "command " + command);
    }
    vcpu.guest().putLong(ARG, io);
    assertEquals(-Errno.EINVAL, guest.hypercall(SET_GDT, ARG, 1));
    assertEquals(-Errno.EINVAL, guest.hypercall(UPDATE_DESCRIPTOR, io << 12, 0));
  }

  @Test
  void hypercallArgumentsCannotLieInIoMemory() {
    permit(domain, true);
    claims.claimMemory(io, 1, constant(0));
    assertEquals(0, map(Pte.of(io, LEAF | Pte.W)));
    assertEquals(-Errno.EFAULT, guest.hypercall(MEMORY_OP, 12, VA));
    assertEquals(-Errno.EFAULT, guest.hypercall(MMU_UPDATE, VA, 1, 0, Domid.SELF));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 0, VA, Domid.SELF), "a count is not told");
  }

  @Test
  void aRightThatIsTakenAwayIsGoneThoughTheMappingStays() {
    permit(domain, true);
    claims.claimMemory(io, 1, constant(0x40));
    assertEquals(0, map(Pte.of(io, LEAF | Pte.W)));
    assertTrue(vcpu.io().isReachable(io << 12));
    assertEquals(0x48, vcpu.io().load((io << 12) + 8, 4));
    permit(domain, false);
    assertFalse(vcpu.io().isReachable(io << 12));
    assertEquals(-Errno.EPERM, guest.hypercall(UPDATE_VA_MAPPING, VA + 4096, Pte.of(io, LEAF), 0));
    assertEquals(0, map(0));
  }

  @Test
  void whoPutsAnIoFrameIntoAnothersTablesNeedsTheRightAsThatOneDoes() {
    long place = (domain.mmu().p2m().mfn(3) << 12) + 8 * 20;
    Vcpu asking = privileged.vcpu(0);
    asking.guest().putLong(ARG, place);
    asking.guest().putLong(ARG + 8, Pte.of(io, LEAF));
    long tables = domain.domid() + 1L << 16;
    assertEquals(-Errno.EPERM, master.hypercall(MMU_UPDATE, ARG, 1, 0, tables | Domid.IO));
    permit(domain, true);
    assertEquals(-Errno.EPERM, master.hypercall(MMU_UPDATE, ARG, 1, 0, tables | Domid.IO));
    assertEquals(-Errno.EPERM, master.hypercall(MMU_UPDATE, ARG, 1, 0, tables | Domid.SELF));
    permit(privileged, true);
    permit(domain, false);
    assertEquals(-Errno.EPERM, master.hypercall(MMU_UPDATE, ARG, 1, 0, tables | Domid.IO));
    permit(domain, true);
    assertEquals(0, master.hypercall(MMU_UPDATE, ARG, 1, 0, tables | Domid.IO));
  }

  @Test
  void cacheFlushesAreForWhoHasADevice() {
    vcpu.guest().putLong(ARG, 12);
    assertEquals(-Errno.EACCES, guest.hypercall(MMUEXT_OP, ARG, 1, 0, Domid.SELF));
    machine.control().permitIoPorts(domain.domid(), 0x300, 8, true);
    assertEquals(0, guest.hypercall(MMUEXT_OP, ARG, 1, 0, Domid.SELF));
    vcpu.guest().putLong(ARG, 18);
    assertEquals(0, guest.hypercall(MMUEXT_OP, ARG, 1, 0, Domid.SELF));
    machine.control().permitIoPorts(domain.domid(), 0x300, 8, false);
    assertEquals(-Errno.EINVAL, guest.hypercall(MMUEXT_OP, ARG, 1, 0, Domid.SELF));
  }

  @Test
  void aRightIsToIoMemoryOnly() {
    for (long first : new long[] {0, claims.memoryStart() - 1, -1, Pte.ADDRESS_MASK >>> 12}) {
      assertThrows(
          HypercallException.class,
          () -> machine.control().permitIoMemory(domain.domid(), first, 1, true));
    }
    assertThrows(
        HypercallException.class,
        () -> machine.control().permitIoPorts(domain.domid(), 0xFFFF, 2, true));
  }

  @Test
  void aHandlerThatThrowsGivesOnesAndAClosedClaimToo() {
    IoClaim claim = claims.claimMemory(io, 1, constant(5));
    vcpu.io().store(io << 12, 4, 1); // throws inside
    assertEquals(5, vcpu.io().load(io << 12, 8));
    claim.close();
    assertEquals(0xFFFF_FFFFL, vcpu.io().load(io << 12, 4));
    vcpu.io().store(io << 12, 4, 1);
  }

  @Test
  void closingAClaimWaitsForTheCallThatIsInside() throws Exception {
    CountDownLatch entered = new CountDownLatch(1);
    CountDownLatch leave = new CountDownLatch(1);
    IoClaim claim =
        claims.claimMemory(
            io,
            1,
            new IoHandler() {
              @Override
              public long load(long offset, int size) {
                entered.countDown();
                try {
                  leave.await();
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
                return 7;
              }

              @Override
              public void store(long offset, int size, long value) {}
            });
    long[] seen = new long[1];
    Thread reader = Thread.ofPlatform().start(() -> seen[0] = vcpu.io().load(io << 12, 8));
    entered.await();
    Thread closer = Thread.ofPlatform().start(claim::close);
    while (!claim.isClosed()) {
      Thread.onSpinWait();
    }
    assertTrue(closer.isAlive());
    leave.countDown();
    closer.join();
    reader.join();
    assertEquals(7, seen[0]);
  }
}
