package dev.domus.kernel.servicedomain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.EventChannelLayout;
import dev.domus.kernel.abi.GrantOpLayout;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.PhysdevLayout;
import dev.domus.kernel.abi.SysctlLayout;
import dev.domus.kernel.access.Denial;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.control.VcpuStart;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.grant.GrantMappings;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.service.DomainMemory;
import dev.domus.kernel.service.GrantCopy;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.IoHandler;
import dev.domus.kernel.service.OwnGrants;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.Window;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/**
 * Walks through all that a service domain can ask for and compares, where there is a hypercall for
 * it, with a guest that asks the same of the same domain: both unprivileged, both are answered the
 * same, and the access policy is asked the same question.
 */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class RefusalsTest {
  private static final long ARG = 6 << 12;
  private static final int REF = 9, GRANTED_PFN = 8;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final Set<String> walked = new TreeSet<>();
  private LocalServiceDomain domain0;
  private LocalServiceDomain driver;
  private Hypercalls calls;
  private int victim;
  private int victimsPort;
  private ScriptedVcpu guest;
  private Window page;

  @BeforeEach
  void start() {
    domain0 = machine.startDomain0();
    driver = machine.startDriver();
    calls = driver.hypercalls();
    Domain prober = machine.start();
    guest = machine.engine().vcpu(0);
    page = machine.control().mapForeign(prober.domid(), ARG >> 12, 2, true);
    victim = machine.build(1).domid();
    machine.control().seedGrant(victim, REF, 0, GRANTED_PFN);
    victimsPort = machine.control().allocUnbound(victim, 0);
  }

  @AfterEach
  void stop() {
    page.close();
    driver.close();
    domain0.close();
    machine.close();
  }

  // ---- the two who ask

  private long asGuest(int number, long... arguments) {
    return guest.hypercall(number, arguments);
  }

  private RefusalsTest clear() {
    page.fill(0, page.size(), (byte) 0);
    return this;
  }

  private RefusalsTest putShort(int offset, int value) {
    page.putShort(offset, (short) value);
    return this;
  }

  private RefusalsTest putInt(int offset, int value) {
    page.putInt(offset, value);
    return this;
  }

  private RefusalsTest putLong(int offset, long value) {
    page.putLong(offset, value);
    return this;
  }

  private long event(int command) {
    return asGuest(HypercallNumber.EVENT_CHANNEL_OP, command, ARG);
  }

  private long memory(int command) {
    return asGuest(HypercallNumber.MEMORY_OP, command, ARG);
  }

  /** The status of a grant operation as the error number that a service domain gets. */
  private long grant(int command, int statusOffset) {
    assertEquals(0, asGuest(HypercallNumber.GRANT_TABLE_OP, command, ARG, 1));
    int status = page.getShort(statusOffset);
    return status == 0 ? 0 : -GrantCalls.errno(status);
  }

  private long domctl(int command) {
    clear().putInt(DomctlLayout.COMMAND, command);
    putInt(DomctlLayout.VERSION, DomctlLayout.INTERFACE_VERSION);
    putShort(DomctlLayout.DOMAIN, victim);
    return asGuest(HypercallNumber.DOMCTL, ARG);
  }

  /** What somebody was answered, and what the access policy refused on the way. */
  private record Answer(long errno, List<Denial> denials) {
    /** The same of another caller. */
    List<String> withoutCaller() {
      return denials.stream()
          .map(d -> d.operation() + " of " + d.target() + " detail " + d.detail())
          .toList();
    }
  }

  private Answer answer(LongSupplier call) {
    List<Denial> before = machine.hypervisor().access().denials();
    long errno = -call.getAsLong();
    List<Denial> fresh = new ArrayList<>();
    for (Denial row : machine.hypervisor().access().denials()) {
      long known =
          before.stream()
              .filter(r ->
                  r.operation() == row.operation()
                      && r.caller() == row.caller()
                      && r.target() == row.target())
              .mapToLong(Denial::count)
              .sum();
      for (long n = known; n < row.count(); n++) {
        fresh.add(row);
      }
    }
    return new Answer(errno, fresh);
  }

  private Answer asService(Executable call) {
    return answer(() -> {
      try {
        call.execute();
        return 0;
      } catch (HypercallException refused) {
        return -refused.errno();
      } catch (Throwable other) {
        throw new AssertionError(other);
      }
    });
  }

  /** A method, and what a guest does to the same end. */
  private void same(String method, int errno, Executable service, LongSupplier asGuest) {
    walked.add(method);
    Answer mine = asService(service);
    Answer theirs = answer(asGuest);
    assertEquals(errno, theirs.errno(), method + " by a guest");
    assertEquals(errno, mine.errno(), method);
    assertEquals(theirs.withoutCaller(), mine.withoutCaller(), method);
    mine.denials().forEach(denial -> assertEquals(driver.domid(), denial.caller(), method));
  }

  private void allowed(String method, Executable service) {
    walked.add(method);
    assertEquals(new Answer(0, List.of()), asService(service), method);
  }

  private static Set<String> methodsOf(Class<?> type) {
    Set<String> names = new TreeSet<>();
    Arrays.stream(type.getMethods()).map(Method::getName).forEach(names::add);
    return names;
  }

  // ---- the walk

  @Test
  void everyHypercallIsRefusedWhereAGuestsIs() {
    allowed("allocUnbound", () -> calls.allocUnbound(victim, () -> {}));
    allowed("bindVirq", () -> calls.bindVirq(2, () -> {}));
    same(
        "bindInterdomain",
        Errno.EINVAL,
        () -> calls.bindInterdomain(victim, victimsPort, () -> {}),
        () -> {
          clear().putShort(EventChannelLayout.INTERDOMAIN_REMOTE_DOM, victim);
          putInt(EventChannelLayout.INTERDOMAIN_REMOTE_PORT, victimsPort);
          return event(EventChannelLayout.BIND_INTERDOMAIN);
        });
    same(
        "allocUnboundIn",
        Errno.EPERM,
        () -> calls.allocUnboundIn(victim, 0),
        () -> {
          clear().putShort(EventChannelLayout.UNBOUND_DOM, victim);
          return event(EventChannelLayout.ALLOC_UNBOUND);
        });
    same(
        "portStatus",
        Errno.EPERM,
        () -> calls.portStatus(victim, victimsPort),
        () -> {
          clear().putShort(EventChannelLayout.STATUS_DOM, victim);
          putInt(EventChannelLayout.STATUS_PORT, victimsPort);
          return event(EventChannelLayout.STATUS);
        });
    same(
        "resetPorts",
        Errno.EPERM,
        () -> calls.resetPorts(victim),
        () -> clear().putShort(0, victim).event(EventChannelLayout.RESET));

    LongSupplier map =
        () -> {
          clear().putInt(GrantOpLayout.MAP_FLAGS, GrantMappings.DEVICE_MAP);
          putInt(GrantOpLayout.MAP_REF, REF).putShort(GrantOpLayout.MAP_DOM, victim);
          return grant(GrantOpLayout.MAP_GRANT_REF, GrantOpLayout.MAP_STATUS);
        };
    same("mapGrant", Errno.EPERM, () -> calls.mapGrant(victim, REF, true), map);
    int[] refs = {REF};
    same("mapGrants", Errno.EPERM, () -> calls.mapGrants(victim, refs, true), map);
    same("mapGrantsAt", Errno.EPERM, () -> calls.mapGrantsAt(victim, refs, true, 7), map);
    calls.memory().populate(1, 1);
    same(
        "copy",
        Errno.EPERM,
        () -> {
          GrantCopy copy =
              new GrantCopy(new GrantCopy.Granted(victim, REF, 0), new GrantCopy.Own(1, 0), 8);
          throw new HypercallException(GrantCalls.errno(calls.copy(List.of(copy))[0]), "copy");
        },
        () -> {
          clear().putLong(GrantOpLayout.COPY_SOURCE, REF);
          putShort(GrantOpLayout.COPY_SOURCE_DOM, victim);
          putShort(GrantOpLayout.COPY_DEST_DOM, Domid.SELF);
          putLong(GrantOpLayout.COPY_DEST, 0).putShort(GrantOpLayout.COPY_LENGTH, 8);
          putShort(GrantOpLayout.COPY_FLAGS, 1);
          return grant(GrantOpLayout.COPY, GrantOpLayout.COPY_STATUS);
        });
    same(
        "grantTableFrames",
        Errno.EPERM,
        () -> calls.grantTableFrames(victim),
        () -> {
          clear().putShort(GrantOpLayout.QUERY_DOM, victim);
          return grant(GrantOpLayout.QUERY_SIZE, GrantOpLayout.QUERY_STATUS);
        });
    same(
        "grantTableVersion",
        Errno.EPERM,
        () -> calls.grantTableVersion(victim),
        () -> {
          clear().putShort(GrantOpLayout.VERSION_DOM, victim);
          return asGuest(HypercallNumber.GRANT_TABLE_OP, GrantOpLayout.GET_VERSION, ARG, 1);
        });

    same(
        "remoteShutdown",
        Errno.EPERM,
        () -> calls.remoteShutdown(victim, 3),
        () -> clear().putShort(0, victim).putInt(4, 3).asGuest(HypercallNumber.SCHED_OP, 4, ARG));
    same(
        "writeConsole",
        Errno.EPERM,
        () -> calls.writeConsole(new byte[8]),
        () -> asGuest(HypercallNumber.CONSOLE_IO, 0, 8, ARG));
    allowed("version", () -> calls.version());

    RequesterId function = RequesterId.of(0, 4, 0);
    same(
        "mapPirq",
        Errno.EPERM,
        () -> calls.mapPirq(victim, function, InterruptKind.MSI, 0),
        () -> {
          clear().putShort(PhysdevLayout.MAP_DOMID, victim);
          return asGuest(HypercallNumber.PHYSDEV_OP, PhysdevLayout.MAP_PIRQ, ARG);
        });
    same(
        "unmapPirq",
        Errno.EPERM,
        () -> calls.unmapPirq(victim, 16),
        () -> {
          clear().putShort(PhysdevLayout.UNMAP_DOMID, victim);
          return asGuest(HypercallNumber.PHYSDEV_OP, PhysdevLayout.UNMAP_PIRQ, ARG);
        });

    walked.addAll(List.of("readConfig", "writeConfig"));
    Answer configRead = asService(() -> calls.readConfig(function, 0, 4));
    Answer configWrite = asService(() -> calls.writeConfig(function, 4, 2, 0));
    for (Answer config : List.of(configRead, configWrite)) {
      assertEquals(Errno.EPERM, config.errno());
      assertEquals(1, config.denials().size());
    }

    walked.add("openDevice"); // of its own devices, of which it has none: no policy is asked
    Answer opened = asService(() -> calls.openDevice(function, "strict", 0x100));
    assertEquals(Errno.ENODEV, opened.errno());
    assertEquals(0, opened.denials().size());

    walked.add("claimIoMemory"); // what has no hypercall is asked of the policy all the same
    walked.add("claimIoPorts");
    Answer memoryClaim = asService(() -> calls.claimIoMemory(calls.ioMemoryStart(), 1, DEVICE));
    Answer portClaim = asService(() -> calls.claimIoPorts(0x300, 1, DEVICE));
    for (Answer claim : List.of(memoryClaim, portClaim)) {
      assertEquals(Errno.EPERM, claim.errno());
      assertEquals(1, claim.denials().size());
    }
    walked.addAll(List.of("grants", "memory", "control", "ioMemoryStart")); // ask for nothing
    allowed("shutdown", () -> calls.shutdown(0)); // the last that it does
    assertEquals(methodsOf(Hypercalls.class), walked, "every method is walked");
  }

  @Test
  void memoryOfOthersIsRefusedWhereAGuestsCallIs() {
    DomainMemory memory = calls.memory();
    LongSupplier reservation = () -> clear().putShort(0, victim).memory(3);
    same("pages", Errno.EPERM, () -> memory.pages(victim), reservation);
    LongSupplier maximum = () -> clear().putShort(0, victim).memory(4);
    same("maxPages", Errno.EPERM, () -> memory.maxPages(victim), maximum);
    LongSupplier highest = () -> clear().putShort(0, victim).memory(14);
    same("highest", Errno.EPERM, () -> memory.highest(victim), highest);
    allowed("populate", () -> memory.populate(0, 2));
    allowed("window", () -> memory.window(0, 1, true).close());
    allowed("move", () -> memory.move(0, 5));
    allowed("giveBack", () -> memory.giveBack(5, 1));
    allowed("mapSharedInfo", () -> memory.mapSharedInfo(6));
    allowed("unmapShared", () -> memory.unmapShared(6));
    allowed("mapGrantTable", () -> memory.mapGrantTable(0, 7));
    assertEquals(methodsOf(DomainMemory.class), walked, "every method is walked");
  }

  @Test
  void ownGrantsTakeNoPrivilegeAndGiveNone() {
    OwnGrants grants = calls.grants();
    allowed("permit", () -> grants.permit(victim, 0, true));
    allowed("accept", () -> grants.accept(victim, 0));
    same(
        "transfer",
        Errno.EINVAL,
        () -> grants.transfer(1, victim, REF),
        () -> {
          clear().putLong(GrantOpLayout.TRANSFER_MFN, 1);
          putShort(GrantOpLayout.TRANSFER_DOMID, victim);
          putInt(GrantOpLayout.TRANSFER_REF, REF);
          return grant(GrantOpLayout.TRANSFER, GrantOpLayout.TRANSFER_STATUS);
        });
    assertEquals(methodsOf(OwnGrants.class), walked, "every method is walked");
  }

  @Test
  void everyControlOperationIsRefusedAndToldToThePolicy() throws ReflectiveOperationException {
    for (Method method : Control.class.getMethods()) {
      Object[] arguments = new Object[method.getParameterCount()];
      for (int i = 0; i < arguments.length; i++) {
        arguments[i] = argument(method.getParameterTypes()[i], i);
      }
      if (method.getName().equals("domains")) {
        assertEquals(List.of(), method.invoke(calls.control()), "it learns of none");
        continue;
      }
      Answer mine =
          asService(() -> {
            try {
              method.invoke(calls.control(), arguments);
              fail(method.getName() + " was permitted");
            } catch (InvocationTargetException thrown) {
              throw thrown.getCause();
            }
          });
      assertEquals(Errno.EPERM, mine.errno(), method.getName());
      assertEquals(1, mine.denials().size(), method.getName());
    }
  }

  private Object argument(Class<?> type, int index) {
    if (type == int.class) {
      return index == 0 ? victim : 1;
    }
    if (type == long.class) {
      return 1L;
    }
    if (type == boolean.class) {
      return true;
    }
    if (type == String.class) {
      return "pool0";
    }
    if (type == byte[].class) {
      return new byte[1];
    }
    if (type == Map.class) {
      return Map.of();
    }
    if (type == Optional.class) {
      return Optional.empty();
    }
    if (type == RequesterId.class) {
      return RequesterId.of(0, 4, 0);
    }
    if (type == CpuMask.class) {
      return CpuMask.ALL;
    }
    return type == DomainSpec.class
        ? new DomainSpec(UUID.randomUUID(), 8, 1, "scripted", "pool0", 256, 0, false)
        : new VcpuStart(0, 0, 0, 0);
  }

  @Test
  void domctlOfAGuestIsRefusedForTheSameReasons() {
    Control control = calls.control();
    int create = DomctlLayout.CREATE_DOMAIN;
    DomainSpec spec = new DomainSpec(UUID.randomUUID(), 8, 1, "scripted", "pool0", 256, 0, false);
    same("create", Errno.EPERM, () -> control.createDomain(spec), () -> domctl(create));
    same(
        "destroy",
        Errno.EPERM,
        () -> control.destroyDomain(victim),
        () -> domctl(DomctlLayout.DESTROY_DOMAIN));
    same(
        "pause", Errno.EPERM, () -> control.pause(victim), () -> domctl(DomctlLayout.PAUSE_DOMAIN));
    same(
        "unpause",
        Errno.EPERM,
        () -> control.unpause(victim),
        () -> domctl(DomctlLayout.UNPAUSE_DOMAIN));
    Answer look = asService(() -> control.domain(victim));
    assertEquals(Errno.EPERM, look.errno());
    long guestLook = domctl(DomctlLayout.GET_DOMAIN_INFO); // of the next one: asks of the machine
    assertEquals(-Errno.EPERM, guestLook);
    same(
        "pools",
        Errno.EPERM,
        control::pools,
        () -> {
          clear().putInt(0, SysctlLayout.CPUPOOL_OP).putInt(4, DomctlLayout.INTERFACE_VERSION);
          return asGuest(HypercallNumber.SYSCTL, ARG);
        });
  }

  private static final IoHandler DEVICE =
      new IoHandler() {
        @Override
        public long load(long offset, int size) {
          return 0;
        }

        @Override
        public void store(long offset, int size, long value) {}
      };
}
