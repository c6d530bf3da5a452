package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.HypercallNumber.MMUEXT_OP;
import static dev.domus.kernel.abi.HypercallNumber.MMU_UPDATE;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING;
import static dev.domus.kernel.abi.HypercallNumber.VCPU_OP;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.VcpuGuestContextLayout;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Which vCPU is told to forget what, and when (xen-pv-abi.md, 6.1 to 6.3): a domain of 66 vCPUs, of
 * which 0, 1 and 65 are up, each on a pCPU of its own.
 */
class TlbFlushTest {
  private static final long ARG = 6 << 12, SET = 7 << 12, CONTEXT = 8 << 12, PAGE = 20 << 12;

  /** The last word of this page; what follows is not mapped. */
  private static final long END = (TinyMachine.GUEST_PAGES << 12) - 8;

  private static final long LEAF = Pte.P | Pte.U | Pte.A;
  private static final long TABLE = LEAF | Pte.W;
  private static final int VCPUS = 66, LAST = 65;
  private static final int[] UP = {0, 1, LAST};
  private static final int INITIALISE = 0, ONLINE = 1, DOWN = 2, REGISTER_VCPU_INFO = 10;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 3);
  private final List<List<Long>> logs = new ArrayList<>();
  private Domain domain;
  private Vcpu vcpu;
  private ScriptedVcpu guest;

  @BeforeEach
  void start() {
    domain = machine.build(VCPUS);
    machine.control().unpause(domain.domid());
    vcpu = domain.vcpu(0);
    guest = machine.engine().vcpu(0);
    long registers = CONTEXT + VcpuGuestContextLayout.USER_REGS;
    store(CONTEXT + VcpuGuestContextLayout.FLAGS, VcpuGuestContextLayout.IN_KERNEL);
    store(CONTEXT + VcpuGuestContextLayout.CTRLREG + 24, mfn(0) << 12);
    store(registers + VcpuGuestContextLayout.REG_RIP, TinyMachine.ENTRY);
    store(registers + VcpuGuestContextLayout.REG_CS, 0xE033);
    store(registers + VcpuGuestContextLayout.REG_SS, 0xE02B);
    store(ARG, mfn(11), 0);
    assertEquals(0, guest.hypercall(VCPU_OP, REGISTER_VCPU_INFO, LAST, ARG));
    for (int id : UP) {
      if (id != 0) {
        assertEquals(0, guest.hypercall(VCPU_OP, INITIALISE, id, CONTEXT));
        assertEquals(0, guest.hypercall(VCPU_OP, ONLINE, id));
      }
    }
    for (int id = 0; id < VCPUS; id++) {
      List<Long> log = Collections.synchronizedList(new ArrayList<>());
      logs.add(log);
      machine.engine().vcpu(id).onInvalidate(log::add);
    }
    settle();
  }

  @AfterEach
  void close() {
    machine.close();
  }

  /** Lets every vCPU that is up enter its guest once more, and forgets what they forgot. */
  private void settle() {
    for (int id : UP) {
      enter(id);
    }
    logs.forEach(List::clear);
  }

  private void enter(int id) {
    machine.engine().vcpu(id).step(s -> Exit.BUDGET);
  }

  private long mfn(int pfn) {
    return domain.mmu().p2m().mfn(pfn);
  }

  private void store(long at, long... words) {
    for (int i = 0; i < words.length; i++) {
      vcpu.guest().putLong(at + 8L * i, words[i]);
    }
  }

  private long extended(long command, long arg1, long arg2) {
    store(ARG, command, arg1, arg2);
    return guest.hypercall(MMUEXT_OP, ARG, 1, 0, Domid.SELF);
  }

  /** That these vCPUs, and no others, have been told this, once. */
  private void assertTold(long invalidation, int... named) {
    for (int id : UP) {
      enter(id);
      boolean told = IntStream.of(named).anyMatch(n -> n == id);
      assertEquals(told ? List.of(invalidation) : List.of(), logs.get(id), "vcpu=" + id);
    }
    logs.forEach(List::clear);
  }

  private enum ByName {
    FLUSH_MULTI(Invalidation.ALL),
    INVLPG_MULTI(Invalidation.page(PAGE)),
    MAPPING_FLUSH(Invalidation.ALL),
    MAPPING_INVLPG(Invalidation.page(PAGE));

    final long invalidation;

    ByName(long invalidation) {
      this.invalidation = invalidation;
    }
  }

  private long call(ByName how, long set) {
    return switch (how) {
      case FLUSH_MULTI -> extended(8, 0, set);
      case INVLPG_MULTI -> extended(9, PAGE + 0x123, set);
      case MAPPING_FLUSH -> guest.hypercall(UPDATE_VA_MAPPING, PAGE, 0, set | 1);
      case MAPPING_INVLPG -> guest.hypercall(UPDATE_VA_MAPPING, PAGE, 0, set | 2);
    };
  }

  // ---- who ----

  @ParameterizedTest
  @EnumSource
  void theVcpusNamedForgetWhatIsNamedAndNoOthersDo(ByName how) {
    store(SET, 1 << 1, 0);
    assertEquals(0, call(how, SET));
    assertTold(how.invalidation, 1);
    store(SET, 1, 1L << LAST - 64);
    assertEquals(0, call(how, SET));
    assertTold(how.invalidation, 0, LAST);
    store(SET, 0, 0);
    assertEquals(0, call(how, SET));
    assertTold(how.invalidation);
  }

  @ParameterizedTest
  @EnumSource
  void bitsBeyondTheLastVcpuAreNobodys(ByName how) {
    store(SET, 0, -1L << LAST - 64 + 1);
    assertEquals(0, call(how, SET));
    assertTold(how.invalidation);
  }

  @ParameterizedTest
  @CsvSource({"FLUSH_MULTI,-22", "INVLPG_MULTI,-22", "MAPPING_FLUSH,-14", "MAPPING_INVLPG,-14"})
  void aSetThatCannotBeReadToItsEndIsRefusedAndNobodyTold(ByName how, long error) {
    store(END, -1L);
    assertEquals(error, call(how, END));
    assertTold(how.invalidation);
    assertTrue(vcpu.guest().walk(PAGE, 0) >= 0, "the mapping is as it was");
  }

  @Test
  void operationsOnAllAndOnTheCallerReachJustThose() {
    assertEquals(0, extended(6, 0, 0));
    assertTold(Invalidation.ALL, 0);
    assertEquals(0, extended(7, PAGE + 1, 0));
    assertTold(Invalidation.page(PAGE), 0);
    assertEquals(0, extended(10, 0, 0));
    assertTold(Invalidation.ALL, UP);
    assertEquals(0, extended(11, PAGE + 1, 0));
    assertTold(Invalidation.page(PAGE), UP);
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, PAGE, 0, 4 | 2));
    assertTold(Invalidation.page(PAGE), UP);
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, PAGE, Pte.of(mfn(20), LEAF), 4 | 1));
    assertTold(Invalidation.ALL, UP);
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, PAGE, 0, 2));
    assertTold(Invalidation.page(PAGE), 0);
  }

  // ---- when ----

  @ParameterizedTest
  @EnumSource
  void theCallReturnsWhenThoseNamedAreOutOfTheirGuestAndOthersStayInTheirs(ByName how) {
    store(SET, 1 << 1, 0);
    ScriptedVcpu named = machine.engine().vcpu(1);
    ScriptedVcpu other = machine.engine().vcpu(LAST);
    CompletableFuture<Void> called = new CompletableFuture<>();
    AtomicBoolean early = new AtomicBoolean();
    CountDownLatch inGuest = new CountDownLatch(2);
    CountDownLatch stay = new CountDownLatch(1);
    int kicks = named.kicks();
    CompletableFuture<CpuState> namedLeft =
        named.submit(s -> {
          inGuest.countDown();
          while (named.kicks() == kicks) {
            Thread.onSpinWait();
          }
          early.set(called.isDone());
          return Exit.KICKED;
        });
    CompletableFuture<CpuState> otherLeft =
        other.submit(s -> {
          inGuest.countDown();
          await(stay);
          return Exit.BUDGET;
        });
    await(inGuest);
    int othersKicks = other.kicks();
    assertEquals(0, call(how, SET));
    called.complete(null);
    assertEquals(othersKicks, other.kicks(), "nobody has interrupted it");
    assertFalse(otherLeft.isDone());
    stay.countDown();
    namedLeft.join();
    otherLeft.join();
    assertFalse(early.get(), "its guest was still running when the call returned");
    assertTold(how.invalidation, 1);
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aVcpuThatDoesNotRunForgetsBeforeItDoes() {
    store(SET, 1 << 1, 0);
    guest.hypercall(VCPU_OP, DOWN, 1);
    domain.vcpu(1).unit().awaitOffCpu();
    for (int i = 0; i < 3; i++) {
      assertEquals(0, extended(9, PAGE + ((long) i << 12), SET));
      assertEquals(0, extended(9, 0, SET), "once is enough");
    }
    assertEquals(List.of(), logs.get(1));
    guest.hypercall(VCPU_OP, ONLINE, 1);
    enter(1);
    assertEquals(List.of(Invalidation.range(PAGE, 3 << 12), Invalidation.page(0)), logs.get(1));
  }

  @Test
  void whatIsTooMuchToRememberIsEverything() {
    store(SET, 1 << 1, 0);
    guest.hypercall(VCPU_OP, DOWN, 1);
    domain.vcpu(1).unit().awaitOffCpu();
    for (int i = 0; i < 100; i++) {
      assertEquals(0, extended(9, (long) i << 13, SET));
    }
    guest.hypercall(VCPU_OP, ONLINE, 1);
    enter(1);
    assertEquals(List.of(Invalidation.ALL), logs.get(1));
  }

  // ---- base pointers ----

  /** Makes page 20 an L4 that maps what the first one does, and pins it. */
  private long secondRoot() {
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, PAGE, Pte.of(mfn(20), LEAF), 2));
    machine.hypervisor().memory().set(ValueLayout.JAVA_LONG, mfn(20) << 12, Pte.of(mfn(1), TABLE));
    assertEquals(0, extended(3, mfn(20), 0));
    settle();
    return mfn(20);
  }

  @Test
  void aLoadForgetsEverythingOnceAnEntryHasChanged() {
    long second = secondRoot();
    extended(5, second, 0);
    logs.forEach(List::clear);
    assertEquals(0, extended(5, mfn(0), 0));
    assertTold(Invalidation.ALL);
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, 21 << 12, 0, 0), "asks for no flush");
    assertTold(Invalidation.ALL);
    assertEquals(0, extended(5, second, 0));
    assertTold(Invalidation.ALL, 0);
    assertEquals(0, extended(5, mfn(0), 0));
    assertTold(Invalidation.ALL);
    assertEquals(
        0, guest.hypercall(UPDATE_VA_MAPPING, 21 << 12, Pte.of(mfn(21), LEAF), 0), "a new one");
    assertEquals(0, extended(15, second, 0));
    assertTold(Invalidation.ALL);
    assertEquals(0, guest.hypercall(UPDATE_VA_MAPPING, 21 << 12, 0, 0));
    assertEquals(0, extended(15, mfn(0), 0), "as the user's, which is entered without a load");
    assertTold(Invalidation.ALL, 0);
  }

  @Test
  void theSameBaseLoadedAgainIsAFlush() {
    for (int i = 0; i < 3; i++) {
      assertEquals(0, extended(5, mfn(0), 0));
      assertTold(Invalidation.ALL, 0);
    }
  }

  @Test
  void aTableThatWasTakenApartIsNotWhatItWas() {
    long second = secondRoot();
    extended(5, second, 0);
    extended(5, mfn(0), 0);
    settle();
    assertEquals(0, extended(4, second, 0));
    assertEquals(0, extended(3, second, 0));
    assertTold(Invalidation.ALL);
    assertEquals(0, extended(5, second, 0));
    assertTold(Invalidation.ALL, 0);
  }

  @Test
  void anEntryOfAnL4IsForgottenByThoseWhoHaveItAsABase() {
    long second = secondRoot();
    assertEquals(0, extended(15, second, 0));
    settle();
    long place = (second << 12) + 8 * 5;
    store(ARG, place, Pte.of(mfn(1), TABLE));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    assertTold(Invalidation.ALL);
    store(ARG, place, 0);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    assertTold(Invalidation.addressSpace(second << 12), 0);
    place = (mfn(0) << 12) + 8 * 5;
    store(ARG, place, Pte.of(mfn(1), TABLE));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    store(ARG, place, 0);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    assertTold(Invalidation.addressSpace(mfn(0) << 12), UP);
  }

  @Test
  void anL4ThatAnotherNamesIsForgottenWithEverything() {
    long second = secondRoot();
    store(ARG, (mfn(0) << 12) + 8 * 6, Pte.of(second, LEAF));
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF), "a linear entry");
    settle();
    store(ARG, second << 12, 0);
    assertEquals(0, guest.hypercall(MMU_UPDATE, ARG, 1, 0, Domid.SELF));
    assertTold(Invalidation.ALL, UP);
  }

  @Test
  void errorsAreThoseOfTheAbi() {
    assertEquals(-Errno.EINVAL, extended(8, 0, 1L << 63));
    assertEquals(-Errno.EINVAL, extended(9, 0, 0xFFFF_8000_0000_0000L));
    assertTold(Invalidation.ALL);
  }
}
