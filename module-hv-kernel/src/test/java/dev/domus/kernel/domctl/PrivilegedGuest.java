package dev.domus.kernel.domctl;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SysctlLayout;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.Window;

/** A machine whose first guest is privileged and makes domctls and sysctls, as a test tells it. */
final class PrivilegedGuest implements AutoCloseable {
  static final long ARG = 6 << 12, BUFFER = 8 << 12;

  /** Where the arguments of a domctl and of a sysctl begin. */
  static final long U = ARG + DomctlLayout.UNION, S = ARG + SysctlLayout.UNION;

  private static final int FIRST_PAGE = 4;

  final TinyMachine machine;
  final Domain domain;
  final ScriptedVcpu vcpu;
  private final Window memory;

  PrivilegedGuest(SchedulerFactory scheduler) {
    machine = new TinyMachine(scheduler, 2);
    domain = machine.buildPrivileged(1);
    vcpu = machine.engine().vcpu(0);
    memory =
        machine
            .control()
            .mapForeign(domain.domid(), FIRST_PAGE, TinyMachine.GUEST_PAGES - FIRST_PAGE, true);
    machine.control().unpause(domain.domid());
  }

  void putInt(long va, int value) {
    memory.putInt(va - (FIRST_PAGE << 12), value);
  }

  void putLong(long va, long value) {
    memory.putLong(va - (FIRST_PAGE << 12), value);
  }

  int getInt(long va) {
    return memory.getInt(va - (FIRST_PAGE << 12));
  }

  long getLong(long va) {
    return memory.getLong(va - (FIRST_PAGE << 12));
  }

  void clear(long va) {
    for (int i = 0; i < 4096; i += 8) {
      putLong(va + i, 0);
    }
  }

  long domctl(int command, int domid) {
    putInt(ARG + DomctlLayout.COMMAND, command);
    putInt(ARG + DomctlLayout.VERSION, DomctlLayout.INTERFACE_VERSION);
    putInt(ARG + DomctlLayout.DOMAIN, domid);
    return vcpu.hypercall(HypercallNumber.DOMCTL, ARG);
  }

  long sysctl(int command) {
    putInt(ARG + DomctlLayout.COMMAND, command);
    putInt(ARG + DomctlLayout.VERSION, DomctlLayout.INTERFACE_VERSION);
    return vcpu.hypercall(HypercallNumber.SYSCTL, ARG);
  }

  @Override
  public void close() {
    memory.close();
    machine.close();
  }
}
