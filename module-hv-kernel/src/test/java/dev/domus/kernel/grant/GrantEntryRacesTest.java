package dev.domus.kernel.grant;

import static dev.domus.kernel.abi.GrantEntryLayout.PERMIT_ACCESS;
import static dev.domus.kernel.abi.GrantEntryLayout.READING;
import static dev.domus.kernel.abi.GrantEntryLayout.TRANSITIVE;
import static dev.domus.kernel.abi.GrantEntryLayout.WRITING;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Guests that end, change and re-make grants while others use them. The oracle is the guest's own:
 * a frame whose grant it has ended by the rules of the ABI is written by nobody else.
 */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GrantEntryRacesTest {
  private static final int REF = 9, STORE = 1, ROUNDS = 2_000;
  private static final Executor NEW_THREAD = task -> Thread.ofPlatform().daemon().start(task);
  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

  private final FakeGrantMachine machine = new FakeGrantMachine();
  private final MemorySegment memory = machine.memory();
  private final GrantTable granter = machine.domain(1);
  private final GrantTable user = machine.domain(2);
  private final long mfn = machine.ram(1);
  private final AtomicBoolean over = new AtomicBoolean();

  @AfterEach
  void close() {
    machine.close();
  }

  private CompletableFuture<Void> until(AtomicBoolean end, Runnable step) {
    return CompletableFuture.runAsync(
        () -> {
          while (!end.get()) {
            step.run();
          }
        },
        NEW_THREAD);
  }

  private void assertUnused() {
    assertEquals(1, machine.table.references(mfn));
    assertEquals(0, machine.table.typeCount(mfn));
  }

  /** Maps the grant, writes through it, unmaps it. */
  private void writeThroughAWindow(GrantWindows windows, AtomicInteger mapped) {
    if (windows.map(1, REF, true) instanceof GrantWindows.Mapped mapping) {
      mapping.window().putLong(0, -1);
      mapping.close();
      mapped.incrementAndGet();
    }
  }

  /** Writes through the grant by a copy. */
  private void writeByACopy(GrantCopy copy, long source, AtomicInteger copied) {
    int status = copy.copy(source, Domid.SELF, 0, REF, 1, 0, 4096, GrantCopy.DESTINATION_IS_REF);
    copied.addAndGet(status == GrantStatus.OKAY ? 1 : 0);
  }

  /** What a guest does with a frame that it believes to be its own alone. */
  private void expectToBeAlone(int round) {
    LONG.setVolatile(memory, mfn << 12, (long) round);
    for (int look = 0; look < 20; look++) {
      assertEquals(round, (long) LONG.getVolatile(memory, mfn << 12), "round " + round);
    }
  }

  @Test
  void aGrantOfVersion1IsEndedByCompareAndSetWhileOthersMapAndCopy() throws Exception {
    machine.grant(granter, REF, 0, 2, mfn);
    int header = PERMIT_ACCESS | 2 << 16;
    long at = FakeGrantMachine.entry(granter, REF);
    endAndBeAlone(
        () -> INT.setVolatile(memory, at, header), () -> INT.compareAndSet(memory, at, header, 0));
  }

  @Test
  void aGrantOfVersion2IsEndedByAStoreAndALookWhileOthersMapAndCopy() throws Exception {
    assertTrue(granter.grow(1));
    assertEquals(0, granter.changeVersion(2));
    machine.grantV2(granter, REF, 0, 2, 0, mfn);
    long at = FakeGrantMachine.entryV2(granter, REF);
    endAndBeAlone(
        () -> INT.setVolatile(memory, at, PERMIT_ACCESS | 2 << 16),
        () -> {
          INT.setVolatile(memory, at, 0);
          VarHandle.fullFence();
          long word = FakeGrantMachine.statusAt(granter, REF) & ~3L;
          int shift = (REF & 1) << 4;
          return ((int) INT.getVolatile(memory, word) >>> shift & (READING | WRITING)) == 0;
        });
  }

  /** One attempt of a guest to end its grant. */
  @FunctionalInterface
  private interface End {
    boolean succeeds();
  }

  private void endAndBeAlone(Runnable permit, End end) throws Exception {
    AtomicInteger mapped = new AtomicInteger();
    AtomicInteger copied = new AtomicInteger();
    GrantWindows windows = new GrantWindows(2, machine);
    long source = machine.ram(2);
    memory.asSlice(source << 12, MachineMemory.FRAME_BYTES).fill((byte) -1);
    GrantCopy copy = user.call(0).copy();
    CompletableFuture<Void> mapper = until(over, () -> writeThroughAWindow(windows, mapped));
    CompletableFuture<Void> copier = until(over, () -> writeByACopy(copy, source, copied));
    try {
      for (int round = 1; round < ROUNDS || mapped.get() < 100 || copied.get() < 100; round++) {
        int before = mapped.get() + copied.get();
        permit.run();
        for (int i = 0; i < 100 && mapped.get() + copied.get() == before; i++) {
          Thread.yield();
        }
        while (!end.succeeds()) {
          Thread.yield();
        }
        expectToBeAlone(round);
      }
    } finally {
      over.set(true);
    }
    mapper.get(30, TimeUnit.SECONDS);
    copier.get(30, TimeUnit.SECONDS);
    assertUnused();
  }

  /**
   * A ring of the toolstack's is mapped all the time while the guest changes versions to and fro;
   * nobody is refused for that, and grants of the guest's own come and go with the version.
   */
  @Test
  void versionsChangeDuringMapsAndCopies() throws Exception {
    long ring = machine.ram(1);
    assertEquals(0, granter.seed(STORE, 2, ring));
    AtomicInteger rings = new AtomicInteger();
    AtomicInteger copied = new AtomicInteger();
    GrantWindows windows = new GrantWindows(2, machine);
    long source = machine.ram(2);
    GrantCopy copy = user.call(0).copy();
    CompletableFuture<Void> backend =
        until(
            over,
            () -> {
              ((GrantWindows.Mapped) windows.map(1, STORE, true)).close();
              rings.incrementAndGet();
            });
    CompletableFuture<Void> copier = until(over, () -> writeByACopy(copy, source, copied));
    int changes = 0;
    int busy = 0;
    try {
      for (int round = 0; changes < 500 || copied.get() < 100 || rings.get() < 100; round++) {
        int result = granter.changeVersion(round % 2 + 1);
        changes += result == 0 ? 1 : 0;
        busy += result == -Errno.EBUSY ? 1 : 0;
        assertTrue(result == 0 || result == -Errno.EBUSY, () -> "result=" + result);
        if (granter.version() == 1) {
          machine.grant(granter, REF, PERMIT_ACCESS, 2, mfn);
        } else {
          machine.grantV2(granter, REF, PERMIT_ACCESS, 2, 0, mfn);
        }
        Thread.yield();
      }
    } finally {
      over.set(true);
    }
    backend.get(30, TimeUnit.SECONDS);
    copier.get(30, TimeUnit.SECONDS);
    assertEquals(1, machine.table.references(ring));
    assertUnused();
    assertEquals(0, granter.changeVersion(1) | granter.changeVersion(2) | granter.changeVersion(1));
    assertEquals(PERMIT_ACCESS, machine.flags(granter, STORE), "busy=" + busy);
  }

  /** Two domains that pass on each other's grants, and two that copy through both. */
  @Test
  void loopsOfGrantsBlockNobody() throws Exception {
    GrantTable second = machine.domain(3);
    for (GrantTable table : new GrantTable[] {granter, second}) {
      assertTrue(table.grow(1));
      assertEquals(0, table.changeVersion(2));
    }
    long other = machine.ram(3);
    long own = machine.ram(2);
    AtomicInteger copied = new AtomicInteger();
    CompletableFuture<?>[] copiers = new CompletableFuture<?>[2];
    for (int i = 0; i < 2; i++) {
      int first = i == 0 ? 1 : 3;
      GrantCopy copy = user.call(i).copy();
      copiers[i] =
          until(
              over,
              () -> {
                int refs = GrantCopy.SOURCE_IS_REF | GrantCopy.DESTINATION_IS_REF;
                int status = copy.copy(REF, first, 0, REF, 4 - first, 64, 64, refs);
                copied.addAndGet(status == GrantStatus.OKAY ? 1 : 0);
              });
    }
    try {
      for (int round = 0; round < ROUNDS || copied.get() < 100; round++) {
        int kind = round & 3;
        // 1 and 3 give domain 2 either their own frame or what the other grants them
        machine.grantV2(granter, REF, kind == 1 ? TRANSITIVE : PERMIT_ACCESS, 2, 3, mfn);
        machine.grantV2(second, REF, kind == 2 ? TRANSITIVE : PERMIT_ACCESS, 2, 1, other);
        if (kind == 3) {
          machine.grantV2(granter, REF, TRANSITIVE, 2, 3, REF);
          machine.grantV2(second, REF, TRANSITIVE, 2, 1, REF);
        }
        Thread.yield();
      }
    } finally {
      over.set(true);
    }
    CompletableFuture.allOf(copiers).get(30, TimeUnit.SECONDS);
    assertUnused();
    assertEquals(1, machine.table.references(other));
    assertEquals(1, machine.table.references(own));
    assertEquals(0, machine.status(granter, REF) | machine.status(second, REF));
  }

  /** The domain in the middle dies, and then the owner, while a third copies. */
  @Test
  void whoeverDiesDuringATransitiveCopyLeavesNothing() throws Exception {
    GrantCopy copy = user.call(0).copy();
    long own = machine.ram(2);
    long free = machine.allocator.freeFrames();
    for (int round = 0; round < 200; round++) {
      GrantTable owner = machine.domain(4);
      GrantTable middle = machine.domain(5);
      long frame = machine.ram(4);
      for (GrantTable table : new GrantTable[] {owner, middle}) {
        assertTrue(table.grow(1));
        assertEquals(0, table.changeVersion(2));
      }
      machine.grantV2(owner, REF, PERMIT_ACCESS, 5, 0, frame);
      machine.grantV2(middle, REF, TRANSITIVE, 2, 4, REF);
      AtomicBoolean end = new AtomicBoolean();
      AtomicInteger copied = new AtomicInteger();
      CompletableFuture<Void> copier =
          until(
              end,
              () -> {
                int status =
                    copy.copy(own, Domid.SELF, 0, REF, 5, 0, 64, GrantCopy.DESTINATION_IS_REF);
                copied.addAndGet(status == GrantStatus.OKAY ? 1 : 0);
              });
      while (copied.get() == 0) {
        Thread.yield();
      }
      List<GrantTable> order = round % 2 == 0 ? List.of(middle, owner) : List.of(owner, middle);
      for (GrantTable dying : order) {
        machine.tables.remove(dying.domid());
        dying.teardown();
      }
      machine.table.dropAllocation(frame);
      machine.put(frame);
      end.set(true);
      copier.get(30, TimeUnit.SECONDS);
      assertEquals(free, machine.allocator.freeFrames(), "round " + round);
    }
  }
}
