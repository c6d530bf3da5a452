package dev.domus.kernel.grant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantEntryLayout;
import dev.domus.kernel.abi.GrantOpLayout;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.servicedomain.LocalServiceDomain;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Domains that die while others use their grants. What the test looks at is the number of free
 * frames: a reference put twice or kept for ever shows in it, and freeing a frame that is referred
 * to throws.
 */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GrantRacesTest {
  private static final long ARG = 6 << 12, TARGET = 21 << 12;
  private static final Executor NEW_THREAD = task -> Thread.ofPlatform().daemon().start(task);
  private static final int REF = 9, GRANTED_PFN = 8, ROUNDS = 30;
  private static final int BOTH_ARE_REFS = GrantCopy.SOURCE_IS_REF | GrantCopy.DESTINATION_IS_REF;
  private static final int WRITABLE = GrantMappings.HOST_MAP | GrantMappings.DEVICE_MAP;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 2);
  private final FrameAllocator allocator = machine.hypervisor().machineFrames().allocator();
  private final Random random = new Random(3);
  private int vcpus;

  @AfterEach
  void close() {
    machine.close();
  }

  private ScriptedVcpu lastVcpu() {
    return machine.engine().vcpu(vcpus - 1);
  }

  private Domain start() {
    vcpus++;
    return machine.start();
  }

  private Domain startGranter(int granteeDomid) {
    Domain granter = start();
    machine.control().seedGrant(granter.domid(), REF, granteeDomid, GRANTED_PFN);
    return granter;
  }

  private void pause() {
    LockSupport.parkNanos(random.nextInt(3_000_000));
  }

  @Test
  void aGranterDiesWhileItsGrantIsMappedAndCopied() throws Exception {
    Domain mapper = start();
    ScriptedVcpu guest = lastVcpu();
    long free = allocator.freeFrames();
    int mapped = 0;
    for (int round = 0; round < ROUNDS; round++) {
      Domain granter = startGranter(mapper.domid());
      AtomicBoolean over = new AtomicBoolean();
      CompletableFuture<Integer> user =
          CompletableFuture.supplyAsync(
              () -> use(mapper, guest, granter.domid(), over), NEW_THREAD);
      pause();
      machine.control().destroyDomain(granter.domid());
      over.set(true);
      mapped += user.get(60, TimeUnit.SECONDS);
      assertEquals(free, allocator.freeFrames(), "round " + round);
    }
    assertTrue(mapped >= ROUNDS, "mapped=" + mapped);
  }

  @Test
  void aMapperDiesWhileItMapsAndCopies() throws Exception {
    for (int round = 0; round < ROUNDS; round++) {
      long free = allocator.freeFrames();
      Domain mapper = start();
      ScriptedVcpu guest = lastVcpu();
      Domain granter = startGranter(mapper.domid());
      AtomicBoolean over = new AtomicBoolean();
      CompletableFuture<Integer> user =
          CompletableFuture.supplyAsync(
              () -> use(mapper, guest, granter.domid(), over), NEW_THREAD);
      pause();
      machine.control().destroyDomain(mapper.domid());
      machine.control().destroyDomain(granter.domid());
      over.set(true);
      assertEquals(free, allocator.freeFrames(), "round " + round);
      user.cancel(true); // it may wait for a step that the vCPU does not take any more
    }
  }

  @Test
  void aGranterDiesWhileAServiceDomainMapsItsGrant() throws Exception {
    LocalServiceDomain domain0 = machine.startDomain0();
    long free = allocator.freeFrames();
    for (int round = 0; round < ROUNDS; round++) {
      Domain granter = startGranter(0);
      AtomicBoolean over = new AtomicBoolean();
      CompletableFuture<Void> backend =
          CompletableFuture.runAsync(() -> {
            while (!over.get()) {
              try (GrantMapping mapping =
                  domain0.hypercalls().mapGrant(granter.domid(), REF, true)) {
                mapping.window().putLong(0, 1);
              } catch (HypercallException gone) {
                // EINVAL from one that is still there but has let go of its grants
                assertTrue(gone.errno() == Errno.ESRCH || gone.errno() == Errno.EINVAL);
              }
            }
          });
      pause();
      machine.control().destroyDomain(granter.domid());
      over.set(true);
      backend.get(60, TimeUnit.SECONDS);
      assertEquals(free, allocator.freeFrames(), "round " + round);
    }
    domain0.close();
  }

  /** Two domains map each other's frames; both die, in either order and at once. */
  @Test
  void twoDomainsThatMapEachOthersFramesDieTogether() throws Exception {
    long free = allocator.freeFrames();
    for (int round = 0; round < ROUNDS; round++) {
      Domain first = start();
      final ScriptedVcpu firstGuest = lastVcpu();
      Domain second = start();
      final ScriptedVcpu secondGuest = lastVcpu();
      machine.control().seedGrant(first.domid(), REF, second.domid(), GRANTED_PFN);
      machine.control().seedGrant(second.domid(), REF, first.domid(), GRANTED_PFN);
      AtomicBoolean over = new AtomicBoolean();
      CompletableFuture<Integer> one =
          CompletableFuture.supplyAsync(
              () -> use(first, firstGuest, second.domid(), over), NEW_THREAD);
      CompletableFuture<Integer> two =
          CompletableFuture.supplyAsync(
              () -> use(second, secondGuest, first.domid(), over), NEW_THREAD);
      pause();
      CompletableFuture<Void> death =
          CompletableFuture.runAsync(
              () -> machine.control().destroyDomain(first.domid()), NEW_THREAD);
      machine.control().destroyDomain(second.domid());
      death.get(60, TimeUnit.SECONDS);
      over.set(true);
      assertEquals(free, allocator.freeFrames(), "round " + round);
      one.cancel(true);
      two.cancel(true);
    }
  }

  /**
   * A frame is given to a third domain while a second maps and copies it by a grant: it changes its
   * owner when nobody has it in use, and never is reached by the old grant afterwards.
   */
  @Test
  void aFrameIsTransferredWhileOthersMapIt() throws Exception {
    Domain mapper = start();
    ScriptedVcpu guest = lastVcpu();
    FrameTable frames = machine.hypervisor().machineFrames().table();
    int given = 0;
    int refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
      Domain sender = startGranter(mapper.domid());
      final ScriptedVcpu senderGuest = lastVcpu();
      Domain receiver = start();
      long gift = machine.control().mfn(sender.domid(), GRANTED_PFN);
      long spare = machine.control().mfn(receiver.domid(), GRANTED_PFN);
      lastVcpu().hypercall(HypercallNumber.UPDATE_VA_MAPPING, GRANTED_PFN << 12, 0, 0);
      assertTrue(receiver.mmu().giveBackUnused(spare));
      senderGuest.hypercall(HypercallNumber.UPDATE_VA_MAPPING, GRANTED_PFN << 12, 0, 0);
      receiver.grants().grow(1);
      machine
          .hypervisor()
          .memory()
          .set(
              ValueLayout.JAVA_INT,
              (receiver.grants().frame(0) << 12) + 8 * REF,
              GrantEntryLayout.ACCEPT_TRANSFER | sender.domid() << 16);
      AtomicBoolean over = new AtomicBoolean();
      CompletableFuture<Integer> user =
          CompletableFuture.supplyAsync(() -> use(mapper, guest, sender.domid(), over), NEW_THREAD);
      int status;
      do {
        status = GrantTransfer.transfer(sender.grants(), gift, receiver.domid(), REF);
        refused += status == GrantStatus.BAD_PAGE ? 1 : 0;
      } while (status == GrantStatus.BAD_PAGE);
      assertEquals(GrantStatus.OKAY, status);
      given++;
      assertEquals(receiver.domid(), frames.owner(gift));
      assertEquals(1, frames.references(gift), "nobody has it mapped");
      over.set(true);
      user.get(60, TimeUnit.SECONDS);
      assertEquals(1, frames.references(gift));
      assertEquals(0, frames.typeCount(gift));
      machine.control().destroyDomain(sender.domid());
      machine.control().destroyDomain(receiver.domid());
    }
    assertEquals(ROUNDS, given, "refused=" + refused);
  }

  /** A receiver that dies before, while and after a frame comes: the frame is never lost. */
  @Test
  void aReceiverDiesWhileAFrameComes() throws Exception {
    Domain sender = start();
    ScriptedVcpu guest = lastVcpu();
    long gift = machine.control().mfn(sender.domid(), GRANTED_PFN);
    guest.hypercall(HypercallNumber.UPDATE_VA_MAPPING, GRANTED_PFN << 12, 0, 0);
    for (int round = 0; round < ROUNDS && gift >= 0; round++) {
      long free = allocator.freeFrames();
      Domain receiver = start();
      int domid = receiver.domid();
      receiver.grants().grow(1);
      long spare = machine.control().mfn(domid, GRANTED_PFN);
      lastVcpu().hypercall(HypercallNumber.UPDATE_VA_MAPPING, GRANTED_PFN << 12, 0, 0);
      assertTrue(receiver.mmu().giveBackUnused(spare));
      machine
          .hypervisor()
          .memory()
          .set(
              ValueLayout.JAVA_INT,
              (receiver.grants().frame(0) << 12) + 8 * REF,
              GrantEntryLayout.ACCEPT_TRANSFER | sender.domid() << 16);
      CompletableFuture<Void> death =
          CompletableFuture.runAsync(() -> machine.control().destroyDomain(domid), NEW_THREAD);
      if (random.nextBoolean()) {
        LockSupport.parkNanos(random.nextInt(300_000));
      }
      int status = GrantTransfer.transfer(sender.grants(), gift, domid, REF);
      death.get(60, TimeUnit.SECONDS);
      int arrived = status == GrantStatus.OKAY ? 1 : 0;
      assertEquals(free + arrived, allocator.freeFrames(), "status=" + status);
      if (arrived == 1) {
        assertEquals(TinyMachine.GUEST_PAGES - 1, sender.mmu().pages());
        gift = sender.mmu().allocate(0);
      }
      assertEquals(TinyMachine.GUEST_PAGES, sender.mmu().pages());
    }
  }

  /** Maps, writes, copies and unmaps until told to stop; returns how often mapping succeeded. */
  private static int use(Domain mapper, ScriptedVcpu guest, int granterDomid, AtomicBoolean over) {
    GuestAccess memory = mapper.vcpu(0).guest();
    int[] mapped = {0};
    while (!over.get()) {
      call(
          guest,
          GrantOpLayout.MAP_GRANT_REF,
          () -> {
            memory.putLong(ARG, TARGET);
            memory.putLong(ARG + 8, WRITABLE | (long) REF << 32);
            memory.putLong(ARG + 16, granterDomid);
          });
      call(
          guest,
          GrantOpLayout.UNMAP_GRANT_REF,
          () -> {
            if (memory.getShort(ARG + GrantOpLayout.MAP_STATUS) == 0) {
              mapped[0]++;
              memory.putLong(TARGET, 77);
            }
            int handle = memory.getInt(ARG + GrantOpLayout.MAP_HANDLE);
            memory.putLong(ARG + 8, memory.getLong(ARG + GrantOpLayout.MAP_DEVICE));
            memory.putInt(ARG + 16, handle);
          });
      call(
          guest,
          GrantOpLayout.COPY,
          () -> {
            memory.putLong(ARG, REF);
            memory.putInt(ARG + 8, granterDomid);
            memory.putLong(ARG + 16, REF);
            memory.putInt(ARG + 24, granterDomid);
            memory.putInt(ARG + 32, 4096 | BOTH_ARE_REFS << 16);
          });
    }
    return mapped[0];
  }

  /** Guest memory is touched by the vCPU's own thread only: the domain may be gone otherwise. */
  private static void call(ScriptedVcpu guest, int command, Runnable prepare) {
    guest.step(s -> {
      prepare.run();
      return ScriptedVcpu.syscall(s, HypercallNumber.GRANT_TABLE_OP, command, ARG, 1);
    });
  }
}
