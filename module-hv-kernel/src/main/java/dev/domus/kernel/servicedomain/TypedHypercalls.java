package dev.domus.kernel.servicedomain;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.event.ServiceEvents;
import dev.domus.kernel.io.IoClaims;
import dev.domus.kernel.service.CopyBatch;
import dev.domus.kernel.service.DomainMemory;
import dev.domus.kernel.service.DriverDevice;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantCopy;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.HypervisorVersion;
import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import dev.domus.kernel.service.OwnGrants;
import dev.domus.kernel.service.PortStatus;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * The hypercalls of a service domain. Each writes the arguments of the ABI into a {@link Caller}'s
 * buffer and goes through the hypercall table as a guest does; what comes back is turned into
 * values and exceptions. So checks, denials and counters are the guests'.
 *
 * <p>Five things have no hypercall of their own and are here all the same: a window on the domain's
 * own memory, for which a guest has page tables; a claim of I/O memory or ports, which makes the
 * domain what a device is to others, and asks the access policy itself; configuration space, which
 * guests of other hypervisors reach by ports, and which asks likewise; a device of the domain's
 * own, for which a guest has page tables, too, and its machine addresses; and control, whose
 * operations are domctl's and sysctl's in another form, over the same gate.
 */
final class TypedHypercalls implements Hypercalls {
  private static final int SHUTDOWN = 2, REMOTE_SHUTDOWN = 4;
  private static final int VERSION = 0, EXTRAVERSION = 1, FEATURES = 6, EXTRAVERSION_BYTES = 16;
  private static final int CONSOLE_WRITE = 0;

  private final Callers callers;
  private final EventCalls events;
  private final GrantCalls grants;
  private final MemoryCalls memory;
  private final DeviceCalls devices;
  private final OwnGrantTable ownGrants;
  private final IoClaims io;
  private final Control control;

  /**
   * Binds the hypercalls to a domain.
   *
   * @param events the domain's event channels
   * @param io what the domain claims of I/O memory and ports
   * @param control in the domain's name
   * @param whenUnmapped called once, after {@link #end}, when nobody has any of its mappings
   */
  TypedHypercalls(
      Callers callers, ServiceEvents events, IoClaims io, Control control, Runnable whenUnmapped) {
    this.callers = callers;
    this.events = new EventCalls(callers, events);
    this.io = io;
    this.control = control;
    grants = new GrantCalls(callers, whenUnmapped);
    memory = new MemoryCalls(callers);
    devices = new DeviceCalls(callers, this.events, grants, memory);
    ownGrants = new OwnGrantTable(callers.domid(), grants, memory);
  }

  /** Refuses all further calls and revokes what is mapped of others. */
  void end() {
    callers.end();
    grants.close();
  }

  // ---- events

  @Override
  public EventPort allocUnbound(int remoteDomid, Runnable handler) {
    return events.allocUnbound(remoteDomid, handler);
  }

  @Override
  public EventPort bindInterdomain(int remoteDomid, int remotePort, Runnable handler) {
    return events.bindInterdomain(remoteDomid, remotePort, handler);
  }

  @Override
  public EventPort bindVirq(int virq, Runnable handler) {
    return events.bindVirq(virq, handler);
  }

  @Override
  public int allocUnboundIn(int domid, int remoteDomid) {
    return events.allocUnboundIn(domid, remoteDomid);
  }

  @Override
  public PortStatus portStatus(int domid, int port) {
    return events.status(domid, port);
  }

  @Override
  public void resetPorts(int domid) {
    events.reset(domid);
  }

  // ---- grants

  @Override
  public GrantMapping mapGrant(int domid, int ref, boolean writable) {
    return grants.map(domid, new int[] {ref}, writable);
  }

  @Override
  public GrantMapping mapGrants(int domid, int[] refs, boolean writable) {
    return grants.map(domid, refs, writable);
  }

  @Override
  public GrantMapping mapGrantsAt(int domid, int[] refs, boolean writable, long gfn) {
    return grants.mapAt(domid, refs, writable, gfn);
  }

  @Override
  public int[] copy(List<GrantCopy> copies) {
    return grants.copy(copies);
  }

  @Override
  public void copy(CopyBatch batch) {
    grants.copy(batch);
  }

  @Override
  public int grantTableFrames(int domid) {
    return grants.frames(domid);
  }

  @Override
  public int grantTableVersion(int domid) {
    return grants.version(domid);
  }

  @Override
  public OwnGrants grants() {
    return ownGrants;
  }

  // ---- memory

  @Override
  public DomainMemory memory() {
    return memory;
  }

  // ---- sched_op, xen_version, console_io

  @Override
  public void shutdown(int reason) {
    try (Caller call = callers.enter()) {
      call.putInt(0, reason).call(HypercallNumber.SCHED_OP, SHUTDOWN);
    }
  }

  @Override
  public void remoteShutdown(int domid, int reason) {
    try (Caller call = callers.enter()) {
      call.putShort(0, Callers.domid(domid)).putInt(4, reason);
      int result = call.call(HypercallNumber.SCHED_OP, REMOTE_SHUTDOWN);
      if (result != 0) {
        throw callers.refused(result, "shut down domain " + domid);
      }
    }
  }

  @Override
  public HypervisorVersion version() {
    try (Caller call = callers.enter()) {
      int version = call.call(HypercallNumber.XEN_VERSION, VERSION);
      call.call(HypercallNumber.XEN_VERSION, EXTRAVERSION);
      String extra = call.bytes().asSlice(0, EXTRAVERSION_BYTES).getString(0);
      call.putInt(0, 0).call(HypercallNumber.XEN_VERSION, FEATURES);
      return new HypervisorVersion(version >>> 16, version & 0xFFFF, extra, call.getInt(4));
    }
  }

  @Override
  public void writeConsole(byte[] text) {
    for (int from = 0; from == 0 || from < text.length; from += Caller.BYTES) {
      int length = Math.min(Caller.BYTES, text.length - from);
      try (Caller call = callers.enter()) {
        MemorySegment.copy(text, from, call.bytes(), ValueLayout.JAVA_BYTE, 0, length);
        long result = call.call(HypercallNumber.CONSOLE_IO, CONSOLE_WRITE, length, Caller.at(0));
        if (result < 0) {
          throw callers.refused(result, "write to the machine's console");
        }
      }
    }
  }

  // ---- I/O

  @Override
  public long ioMemoryStart() {
    return io.memoryStart();
  }

  @Override
  public IoClaim claimIoMemory(long firstFrame, long frames, IoHandler handler) {
    try (Caller _ = callers.enter()) {
      return io.claimMemory(firstFrame, frames, handler);
    }
  }

  @Override
  public IoClaim claimIoPorts(int first, int count, IoHandler handler) {
    try (Caller _ = callers.enter()) {
      return io.claimPorts(first, count, handler);
    }
  }

  // ---- PCI

  @Override
  public int readConfig(RequesterId function, int offset, int size) {
    return devices.readConfig(function, offset, size);
  }

  @Override
  public void writeConfig(RequesterId function, int offset, int size, int value) {
    devices.writeConfig(function, offset, size, value);
  }

  @Override
  public int mapPirq(int domid, RequesterId function, InterruptKind kind, int vector) {
    return devices.mapPirq(domid, function, kind, vector);
  }

  @Override
  public void unmapPirq(int domid, int pirq) {
    devices.unmapPirq(domid, pirq);
  }

  @Override
  public DriverDevice openDevice(RequesterId function, String mode, long gfn) {
    return devices.open(function, mode, gfn);
  }

  // ---- control

  @Override
  public Control control() {
    return control;
  }
}
