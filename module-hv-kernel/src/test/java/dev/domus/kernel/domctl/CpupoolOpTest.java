package dev.domus.kernel.domctl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SysctlLayout;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.control.PoolInfo;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.Window;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** cpupools, changed by a privileged guest with cpupool_op and by domain 0 with Control. */
@Timeout(60)
final class CpupoolOpTest {
  private static final long ARG = 6 << 12, SCRATCH = 10 << 12;
  private static final long S = ARG + SysctlLayout.UNION, U = ARG + DomctlLayout.UNION;
  private static final int ANY = -1;

  private TinyMachine machine;
  private Control control;
  private Domain manager;
  private ScriptedVcpu guest;
  private Window memory;

  @BeforeEach
  void start() {
    machine = new TinyMachine(TestSchedulers.roundRobin(), 3);
    control = machine.control();
    manager = machine.buildPrivileged(1);
    guest = machine.engine().vcpu(0);
    memory = control.mapForeign(manager.domid(), 4, TinyMachine.GUEST_PAGES - 4, true);
    control.unpause(manager.domid());
  }

  @AfterEach
  void stop() {
    memory.close();
    machine.close();
  }

  private void putInt(long va, int value) {
    memory.putInt(va - (4 << 12), value);
  }

  private int getInt(long va) {
    return memory.getInt(va - (4 << 12));
  }

  private long pool(int op, int id, int cpu, int domid) {
    putInt(ARG + DomctlLayout.COMMAND, SysctlLayout.CPUPOOL_OP);
    putInt(ARG + DomctlLayout.VERSION, DomctlLayout.INTERFACE_VERSION);
    putInt(S + SysctlLayout.POOL_OP, op);
    putInt(S + SysctlLayout.POOL_ID, id);
    putInt(S + SysctlLayout.POOL_SCHED, 0);
    putInt(S + SysctlLayout.POOL_CPU, cpu);
    putInt(S + SysctlLayout.POOL_DOMID, domid);
    memory.putLong(S + SysctlLayout.POOL_CPUS - (4 << 12), SCRATCH);
    putInt(S + SysctlLayout.POOL_CPUS + DomctlLayout.BITMAP_COUNT, 8);
    return guest.hypercall(HypercallNumber.SYSCTL, ARG);
  }

  private int create() {
    assertEquals(0, pool(SysctlLayout.POOL_CREATE, ANY, 0, 0));
    return getInt(S + SysctlLayout.POOL_ID);
  }

  private long addCpu(int id, int cpu) {
    return pool(SysctlLayout.POOL_ADD_CPU, id, cpu, 0);
  }

  private long removeCpu(int id, int cpu) {
    return pool(SysctlLayout.POOL_REMOVE_CPU, id, cpu, 0);
  }

  private long move(int domid, int id) {
    return pool(SysctlLayout.POOL_MOVE_DOMAIN, id, 0, domid);
  }

  private long destroy(int id) {
    return pool(SysctlLayout.POOL_DESTROY, id, 0, 0);
  }

  /** The pCPUs of a pool that info tells of, and how many domains. */
  private List<Integer> info(int id) {
    assertEquals(0, pool(SysctlLayout.POOL_INFO, id, 0, 0));
    assertEquals(id, getInt(S + SysctlLayout.POOL_ID));
    return List.of(getInt(SCRATCH) & 0xFF, getInt(S + SysctlLayout.POOL_DOMAINS));
  }

  private int freeCpus() {
    assertEquals(0, pool(SysctlLayout.POOL_FREE_INFO, 0, 0, 0));
    return getInt(SCRATCH) & 0xFF;
  }

  private int poolOf(int domid) {
    putInt(ARG + DomctlLayout.COMMAND, DomctlLayout.GET_DOMAIN_INFO);
    putInt(ARG + DomctlLayout.VERSION, DomctlLayout.INTERFACE_VERSION);
    putInt(ARG + DomctlLayout.DOMAIN, domid);
    assertEquals(0, guest.hypercall(HypercallNumber.DOMCTL, ARG));
    return getInt(U + DomctlLayout.INFO_POOL);
  }

  @Test
  void aPoolIsMadeGetsPcpusAndADomainAndIsTakenDown() {
    int domid = machine.start().domid();
    ScriptedVcpu other = machine.engine().vcpu(1);
    int id = create();
    assertEquals(1, id);
    assertEquals(List.of(0, 0), info(id));
    assertEquals(-Errno.EBUSY, move(domid, id), "no pCPU to run on");
    assertEquals(0, removeCpu(0, ANY));
    assertEquals(0b100, freeCpus());
    assertEquals(0, addCpu(id, 2));
    assertEquals(0, freeCpus());
    assertEquals(List.of(0b100, 0), info(id));
    assertEquals(List.of(0b011, 2), info(0));

    assertEquals(0, move(domid, id));
    assertEquals(List.of(0b100, 1), info(id));
    assertEquals(id, poolOf(domid));
    assertEquals("Pool-1", control.domain(domid).orElseThrow().pool());
    assertEquals(
        0, other.hypercall(HypercallNumber.SCHED_OP, 0), "it runs there: yield is answered");
    assertEquals(-Errno.EBUSY, removeCpu(id, ANY), "the last, and there is a domain");
    assertEquals(-Errno.EBUSY, destroy(id));

    assertEquals(0, move(domid, 0));
    assertEquals(0, poolOf(domid));
    assertEquals(-Errno.EBUSY, destroy(id), "it has a pCPU");
    assertEquals(0, removeCpu(id, 2));
    assertEquals(List.of(0, 0), info(id));
    assertEquals(0, destroy(id));
    assertEquals(-Errno.ENOENT, destroy(id));
    assertEquals(0, addCpu(0, ANY));
    assertEquals(List.of(0b111, 2), info(0));
  }

  @Test
  void whatDoesNotFitIsRefusedAndChangesNothing() {
    int domid = machine.start().domid();
    assertEquals(-Errno.ENOENT, addCpu(7, 0));
    assertEquals(-Errno.ENODEV, addCpu(0, 0), "in a pool");
    assertEquals(-Errno.EINVAL, addCpu(0, 3), "no such pCPU");
    assertEquals(-Errno.ENOENT, addCpu(0, ANY), "none is free");
    assertEquals(-Errno.EINVAL, removeCpu(0, 3));
    assertEquals(-Errno.ENOENT, removeCpu(7, 0));
    assertEquals(-Errno.ENOENT, move(domid, 7));
    assertEquals(-Errno.ESRCH, move(999, 0));
    assertEquals(-Errno.EINVAL, move(manager.domid(), 0), "nobody moves itself");
    assertEquals(-Errno.EEXIST, pool(SysctlLayout.POOL_CREATE, 0, 0, 0));
    assertEquals(-Errno.ENOSYS, pool(99, 0, 0, 0));
    putInt(S + SysctlLayout.POOL_OP, SysctlLayout.POOL_CREATE);
    putInt(S + SysctlLayout.POOL_ID, ANY);
    putInt(S + SysctlLayout.POOL_SCHED, 6); // credit2, which this machine has not
    assertEquals(-Errno.ENOENT, guest.hypercall(HypercallNumber.SYSCTL, ARG));
    assertEquals(List.of(0b111, 2), info(0));
    assertEquals(1, control.pools().size());
  }

  @Test
  void numbersStayTheirsAndInfoGoesOnToTheNext() {
    assertEquals(0, pool(SysctlLayout.POOL_CREATE, 5, 0, 0));
    assertEquals(1, create());
    assertEquals(0, destroy(1));
    assertEquals(0, pool(SysctlLayout.POOL_INFO, 1, 0, 0));
    assertEquals(5, getInt(S + SysctlLayout.POOL_ID), "the next one");
    assertEquals(-Errno.ENOENT, pool(SysctlLayout.POOL_INFO, 6, 0, 0));
    assertEquals(List.of("pool0", "Pool-5"), control.pools().stream().map(PoolInfo::name).toList());
  }

  @Test
  void aPoolIsNotEmptiedUnderAVcpuOfWhichItsSchedulerHasNotHeardYet() {
    int domid = machine.build(1).domid(); // paused
    int id = create();
    assertEquals(0, removeCpu(0, 2));
    assertEquals(0, addCpu(id, 2));
    for (int round = 0; round < 200; round++) {
      control.moveDomain(domid, "Pool-1");
      assertEquals(
          Errno.EBUSY, errnoOf(() -> control.removePcpu("Pool-1", 2)), "at once after the move");
      control.moveDomain(domid, "pool0");
    }
  }

  @Test
  void thePoolThatTheCallerRunsInLosesAndGetsPcpus() {
    for (int round = 0; round < 20; round++) {
      assertEquals(0, removeCpu(0, 0));
      assertEquals(0, removeCpu(0, 1));
      assertEquals(List.of(0b100, 1), info(0));
      assertEquals(-Errno.EBUSY, removeCpu(0, 2));
      assertEquals(0, addCpu(0, 1));
      assertEquals(0, addCpu(0, ANY));
    }
  }

  @Test
  void anOrdinaryGuestChangesNoPools() {
    int plain = machine.start().domid();
    ScriptedVcpu stranger = machine.engine().vcpu(1);
    try (Window window = control.mapForeign(plain, 6, 1, true)) {
      window.putInt(0, SysctlLayout.CPUPOOL_OP);
      window.putInt(4, DomctlLayout.INTERFACE_VERSION);
      for (int op = SysctlLayout.POOL_CREATE; op <= SysctlLayout.POOL_FREE_INFO; op++) {
        window.putInt(SysctlLayout.UNION, op);
        assertEquals(-Errno.EPERM, stranger.hypercall(HypercallNumber.SYSCTL, ARG), "op=" + op);
      }
    }
    assertEquals(1, control.pools().size());
  }

  private static int errnoOf(Runnable refused) {
    return assertThrows(HypercallException.class, refused::run).errno();
  }

  @Test
  void domain0DoesTheSameByName() {
    int domid = machine.start().domid();
    String scheduler = TestSchedulers.roundRobin().name();
    control.createPool("batch", scheduler, Map.of());
    assertEquals(Errno.EEXIST, errnoOf(() -> control.createPool("batch", scheduler, Map.of())));
    assertEquals(Errno.EINVAL, errnoOf(() -> control.createPool("x", "fair", Map.of())));
    assertEquals(
        Errno.EINVAL, errnoOf(() -> control.createPool("x", scheduler, Map.of("slice", "1"))));
    control.removePcpu("pool0", 1);
    assertEquals(List.of(1), control.freePcpus());
    control.addPcpu("batch", 1);
    control.moveDomain(domid, "batch");
    control.renamePool("batch", "night");
    assertEquals(Errno.EEXIST, errnoOf(() -> control.renamePool("pool0", "night")));
    assertEquals("night", control.domain(domid).orElseThrow().pool());
    PoolInfo night = control.pools().getLast();
    assertEquals(List.of(1), night.pcpus());
    assertEquals(1, night.vcpus());
    assertEquals("night", night.name());
    assertEquals(Errno.EBUSY, errnoOf(() -> control.removePcpu("night", 1)));
    assertEquals(Errno.ENOENT, errnoOf(() -> control.moveDomain(domid, "day")));
    control.moveDomain(domid, "pool0");
    control.removePcpu("night", 1);
    control.destroyPool("night");
    control.addPcpu("pool0", 1);
    assertEquals(List.of(0, 1, 2), control.pools().getFirst().pcpus());
  }

  @Test
  void domain0MakesPoolsOfCores() {
    int domid = machine.start().domid();
    String scheduler = TestSchedulers.roundRobin().name();
    assertEquals(Errno.EINVAL, errnoOf(() -> control.createPool("c", 0, scheduler, Map.of())));
    control.createPool("c", 2, scheduler, Map.of());
    assertEquals(2, control.pools().getLast().granularity());
    assertEquals(1, control.pools().getFirst().granularity());
    control.removePcpu("pool0", 1);
    assertEquals(Errno.ENODEV, errnoOf(() -> control.addPcpu("c", 1)), "0 is in pool0");
    control.removePcpu("pool0", 2);
    assertEquals(Errno.EINVAL, errnoOf(() -> control.addPcpu("c", 2)), "there is no 3");
    control.addPcpu("pool0", 2);
    control.removePcpu("pool0", 0);
    control.addPcpu("c", 1);
    assertEquals(List.of(0, 1), control.pools().get(1).pcpus());
    control.moveDomain(domid, "c");
    assertEquals(1, control.pools().get(1).vcpus());
    assertEquals(
        Errno.EINVAL,
        errnoOf(() -> control.setAffinity(domid, 0, CpuMask.of(1), CpuMask.ALL)),
        "half a core");
    control.setAffinity(domid, 0, CpuMask.of(0, 1), CpuMask.ALL);
    assertEquals(Errno.EBUSY, errnoOf(() -> control.removePcpu("c", 0)));
    control.moveDomain(domid, "pool0");
    control.removePcpu("c", 0);
    assertEquals(List.of(0, 1), control.freePcpus());
    control.destroyPool("c");
  }

  @Test
  void domain0SetsAffinitiesAndSaysWhatASchedulerHasNoParameterFor() {
    int domid = machine.start().domid();
    control.setAffinity(domid, 0, CpuMask.of(1), CpuMask.ALL);
    assertTrue(machine.hypervisor().domain(domid).vcpu(0).unit().params().affinity().contains(1));
    assertEquals(
        Errno.EINVAL,
        errnoOf(() -> control.setAffinity(domid, 0, CpuMask.of(40), CpuMask.ALL)),
        "no pCPU of the pool");
    assertEquals(
        Errno.EINVAL, errnoOf(() -> control.setAffinity(domid, 1, CpuMask.ALL, CpuMask.ALL)));
    assertEquals(
        Errno.EINVAL, errnoOf(() -> control.setVcpuParameters(domid, 0, Map.of("latency", "1"))));
  }

  /** A guest and domain 0 change the same pools, while a third domain is made and unmade in one. */
  @Test
  void changesByGuestsAndByDomain0AndNewDomainsDoNotMeetHalfway() throws Exception {
    String scheduler = TestSchedulers.roundRobin().name();
    control.createPool("other", scheduler, Map.of());
    AtomicBoolean over = new AtomicBoolean();
    CompletableFuture<Void> makers =
        CompletableFuture.runAsync(() -> {
          while (!over.get()) {
            try {
              int made =
                  control.createDomain(
                      new DomainSpec(
                          UUID.randomUUID(),
                          4,
                          2,
                          machine.engine().name(),
                          "other",
                          256,
                          0,
                          false));
              control.destroyDomain(made);
            } catch (HypercallException noPcpuJustNow) {
              assertEquals(Errno.EINVAL, noPcpuJustNow.errno());
            }
          }
        });
    CompletableFuture<Void> domain0 =
        CompletableFuture.runAsync(() -> {
          while (!over.get()) {
            try {
              control.addPcpu("other", 2);
            } catch (HypercallException theGuestHasIt) {
              assertEquals(Errno.ENODEV, theGuestHasIt.errno());
            }
            Thread.yield();
          }
        });
    int emptied = 0;
    for (int round = 0; round < 200; round++) {
      removeCpu(0, 2);
      addCpu(1, 2);
      emptied += removeCpu(1, 2) == 0 ? 1 : 0;
      addCpu(0, 2);
    }
    over.set(true);
    makers.get();
    domain0.get();
    assertTrue(emptied > 0);
    int all = info(0).getFirst() | info(1).getFirst() | freeCpus();
    assertEquals(0b111, all);
    assertEquals(1, machine.hypervisor().domains().size());
  }
}
