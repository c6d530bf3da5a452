package dev.domus.kernel.domctl;

import static dev.domus.kernel.abi.DomctlLayout.*;

import dev.domus.kernel.DomainIds;
import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.VcpuGuestContextLayout;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.dispatch.RunstateInfo;
import dev.domus.kernel.dispatch.UnitParams;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.domain.VcpuContext;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.hypercall.Subops;
import dev.domus.kernel.mmu.TableWork;
import dev.domus.kernel.service.HypercallException;
import dev.domus.memory.FrameTable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;

/**
 * domctl (36): control of domains by a privileged guest (public/domctl.h of Xen 4.17, drawn in
 * {@link DomctlLayout}). The work is {@link DomainControl}'s, which domain 0 reaches by {@link
 * dev.domus.kernel.control.Control}; here arguments are taken out of memory and answers put back.
 *
 * <p>Order of the checks: readable (−EFAULT), interface version (−EACCES), the domain exists
 * (−ESRCH), the caller may (−EPERM), the command exists (−ENOSYS), its arguments.
 *
 * <h2>One at a time</h2>
 *
 * <p>Pausing a domain waits until its vCPUs are off their pCPUs, and the caller's own vCPU is on
 * one. Two domains that pause each other would wait for ever; so domctls of guests exclude one
 * another by a lock that nobody waits for: who does not get it makes the call again, and may be
 * taken off its pCPU in between.
 */
public final class DomctlOp implements Hypercall {
  private static final String TRANSLATED = "for guests whose addresses are translated";
  private static final String NO_LINES =
      "physical interrupts are messages, which need no such right";
  private static final Subops SUBOPS =
      Subops.byStructure()
          .done(CREATE_DOMAIN, "createdomain")
          .done(DESTROY_DOMAIN, "destroydomain")
          .done(PAUSE_DOMAIN, "pausedomain")
          .done(UNPAUSE_DOMAIN, "unpausedomain")
          .done(GET_DOMAIN_INFO, "getdomaininfo")
          .absent(6, "getmemlist", "removed from the interface in Xen 4.17")
          .absent(7, "getpageframeinfo", "removed; getpageframeinfo3 is its successor")
          .absent(8, "getpageframeinfo2", "removed; getpageframeinfo3 is its successor")
          .done(SET_VCPU_AFFINITY, "setvcpuaffinity")
          .absent(10, "shadow_op", "log-dirty mode is for migration")
          .done(MAX_MEM, "max_mem")
          .done(SET_VCPU_CONTEXT, "setvcpucontext")
          .done(GET_VCPU_CONTEXT, "getvcpucontext")
          .done(GET_VCPU_INFO, "getvcpuinfo")
          .done(MAX_VCPUS, "max_vcpus")
          .done(SCHEDULER_OP, "scheduler_op")
          .done(SET_DOMAIN_HANDLE, "setdomainhandle")
          .absent(18, "setdebugging", "there is no debugger")
          .absent(19, "irq_permission", NO_LINES)
          .done(IOMEM_PERMISSION, "iomem_permission")
          .done(IOPORT_PERMISSION, "ioport_permission")
          .done(HYPERCALL_INIT, "hypercall_init")
          .absent(24, "settimeoffset", "all domains have the machine's time")
          .done(GET_VCPU_AFFINITY, "getvcpuaffinity")
          .absent(27, "resumedomain", "suspended domains are not resumed")
          .done(SEND_TRIGGER, "sendtrigger")
          .absent(29, "subscribe", "for suspending")
          .absent(33, "gethvmcontext", TRANSLATED)
          .absent(34, "sethvmcontext", TRANSLATED)
          .done(SET_ADDRESS_SIZE, "set_address_size")
          .done(GET_ADDRESS_SIZE, "get_address_size")
          .done(ASSIGN_DEVICE, "assign_device")
          .absent(38, "bind_pt_irq", TRANSLATED)
          .absent(39, "memory_mapping", TRANSLATED)
          .absent(40, "ioport_mapping", TRANSLATED)
          .absent(42, "set_ext_vcpucontext", "for migration")
          .absent(43, "get_ext_vcpucontext", "for migration")
          .done(TEST_ASSIGN_DEVICE, "test_assign_device")
          .absent(46, "set_target", "there are no device models")
          .done(DEASSIGN_DEVICE, "deassign_device")
          .absent(48, "unbind_pt_irq", TRANSLATED)
          .done(GET_DEVICE_GROUP, "get_device_group")
          .absent(54, "debug_op", "there is no debugger")
          .absent(55, "gethvmcontext_partial", TRANSLATED)
          .absent(56, "vm_event_op", TRANSLATED)
          .absent(57, "mem_sharing_op", TRANSLATED)
          .absent(59, "gettscinfo", "for migration")
          .absent(60, "settscinfo", "for migration")
          .done(GET_PAGE_FRAME_INFO3, "getpageframeinfo3")
          .absent(62, "setvcpuextstate", "for migration")
          .absent(63, "getvcpuextstate", "for migration")
          .absent(64, "set_access_required", TRANSLATED)
          .absent(65, "audit_p2m", TRANSLATED)
          .done(SET_VIRQ_HANDLER, "set_virq_handler")
          .absent(67, "set_broken_page_p2m", TRANSLATED)
          .absent(68, "setnodeaffinity", "there is one NUMA node")
          .absent(69, "getnodeaffinity", "there is one NUMA node")
          .absent(71, "cacheflush", "for other processors")
          .absent(72, "get_vcpu_msrs", "for migration")
          .absent(73, "set_vcpu_msrs", "for migration")
          .absent(74, "setvnumainfo", "there is one NUMA node")
          .absent(75, "psr_cmt_op", "there is no such processor feature")
          .absent(77, "monitor_op", TRANSLATED)
          .absent(78, "psr_alloc", "there is no such processor feature")
          .absent(79, "soft_reset", TRANSLATED)
          .absent(81, "vuart_op", "for other processors")
          .absent(82, "get_cpu_policy", "all guests see one processor")
          .absent(83, "set_cpu_policy", "all guests see one processor")
          .absent(84, "vmtrace_op", "there is no such processor feature")
          .absent(85, "get_paging_mempool_size", TRANSLATED)
          .absent(86, "set_paging_mempool_size", TRANSLATED);

  /** Frames that getpageframeinfo3 looks at between two chances to be preempted. */
  private static final int PREEMPTION_CHECK = 256;

  private static final int NO_CAP_CHANGE = 0xFFFF;

  private final ReentrantLock oneAtATime = new ReentrantLock();

  /** Makes the table entry. */
  public DomctlOp() {}

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long op, long a2, long a3, long a4, long a5) {
    v.guest().requireReadable(op, SIZE);
    int command = v.guest().getInt(op + COMMAND);
    if (v.guest().getInt(op + VERSION) != INTERFACE_VERSION) {
      return -Errno.EACCES;
    }
    int domid = v.guest().getShort(op + DOMAIN);
    boolean aboutOne =
        command != CREATE_DOMAIN
            && command != GET_DOMAIN_INFO
            && !(command == TEST_ASSIGN_DEVICE && domid == Domid.INVALID);
    if (aboutOne && !v.domain().hypervisor().exists(domid)) {
      return -Errno.ESRCH;
    }
    if (!oneAtATime.tryLock()) {
      v.continuation().leave(op, a2);
      return CONTINUE;
    }
    try {
      DomainControl control = v.domain().hypervisor().control().as(v.domain().domid());
      control.gate(Operation.DOMCTL, aboutOne ? domid : Domid.XEN, command);
      return carryOut(v, control, command, domid, op);
    } catch (HypercallException refused) {
      return -refused.errno();
    } finally {
      oneAtATime.unlock();
    }
  }

  private static long carryOut(Vcpu v, DomainControl control, int command, int domid, long op) {
    boolean self = domid == v.domain().domid();
    Argument a = new Argument(v, op + UNION);
    switch (command) {
      case CREATE_DOMAIN -> {
        if (!control.cpupools().tryLock()) { // somebody changes a pool, and waits for this pCPU
          v.continuation().leave(op, 0);
          return CONTINUE;
        }
        try {
          create(control, domid, a, op);
        } finally {
          control.cpupools().unlock();
        }
      }
      case DESTROY_DOMAIN -> {
        refuse(self);
        if (DeviceOps.release(control, domid, a) == CONTINUE
            || !control.destroyDomain(domid, v::mustPreempt)) {
          v.continuation().leave(op, 0);
          return CONTINUE;
        }
      }
      case PAUSE_DOMAIN -> {
        refuse(self);
        control.pause(domid);
      }
      case UNPAUSE_DOMAIN -> control.unpause(domid);
      case GET_DOMAIN_INFO -> info(control, domid, a, op);
      case SET_VCPU_AFFINITY -> setAffinity(control, vcpu(control, command, domid, a), a);
      case GET_VCPU_AFFINITY -> getAffinity(vcpu(control, command, domid, a), a);
      case MAX_MEM -> control.target(command, domid).mmu().setMaxPages(a.getLong(0) >>> 2);
      case SET_VCPU_CONTEXT -> {
        refuse(self);
        return setContext(vcpu(control, command, domid, a), a, op);
      }
      case GET_VCPU_CONTEXT -> {
        refuse(self);
        getContext(vcpu(control, command, domid, a), a);
      }
      case GET_VCPU_INFO -> vcpuInfo(vcpu(control, command, domid, a), a);
      case MAX_VCPUS -> refuse(self || a.getInt(0) != control.target(command, domid).vcpus());
      case SCHEDULER_OP -> schedulerOp(control, domid, a);
      case SET_DOMAIN_HANDLE -> control.target(command, domid).setHandle(handle(a, 0));
      case IOMEM_PERMISSION ->
          control.permitIoMemory(domid, a.getLong(0), a.getLong(8), a.getByte(16) != 0);
      case IOPORT_PERMISSION ->
          control.permitIoPorts(domid, a.getInt(0), a.getInt(4), a.getByte(8) != 0);
      case HYPERCALL_INIT -> control.initHypercallPage(domid, a.getLong(0));
      case ASSIGN_DEVICE, TEST_ASSIGN_DEVICE, DEASSIGN_DEVICE, GET_DEVICE_GROUP -> {
        long result = DeviceOps.carryOut(control, command, domid, a);
        if (result == CONTINUE) {
          v.continuation().leave(op, 0);
        }
        return result;
      }
      case SEND_TRIGGER -> {
        return sendTrigger(control.target(command, domid), a);
      }
      case SET_VIRQ_HANDLER -> {
        return setVirqHandler(control.target(command, domid), a.getInt(0));
      }
      case SET_ADDRESS_SIZE -> {
        control.target(command, domid);
        refuse(a.getInt(0) != Long.SIZE);
      }
      case GET_ADDRESS_SIZE -> {
        control.target(command, domid);
        a.putInt(0, Long.SIZE);
        a.writeBack();
      }
      case GET_PAGE_FRAME_INFO3 -> {
        return frameInfo(control.target(command, domid), a, op);
      }
      default -> {
        return -Errno.ENOSYS;
      }
    }
    return 0;
  }

  static void refuse(boolean wrong) {
    if (wrong) {
      throw new HypercallException(Errno.EINVAL, "argument out of range");
    }
  }

  // ---- life cycle

  /** Made without memory: max_mem allows it some, and memory_op gives it. */
  private static void create(DomainControl control, int wanted, Argument a, long op) {
    boolean certain = wanted > 0 && wanted < Domid.FIRST_RESERVED;
    refuse((a.getInt(CREATE_FLAGS) & ~FLAG_XS_DOMAIN) != 0);
    refuse(a.getInt(CREATE_IOMMU) != 0 || a.getInt(CREATE_VMTRACE) != 0);
    a.caller().guest().requireWritable(op + DOMAIN, Short.BYTES);
    int domid =
        control.createDomain(
            new DomainSpec(
                handle(a, CREATE_HANDLE),
                control.hypervisor().frames(),
                a.getInt(CREATE_VCPUS),
                control.usualEngine(),
                poolName(control, a.getInt(CREATE_POOL)),
                UnitParams.DEFAULT.weight(),
                UnitParams.DEFAULT.cap(),
                false),
            certain ? wanted : DomainIds.NONE);
    control.hypervisor().domain(domid).mmu().setMaxPages(0);
    a.caller().guest().putShort(op + DOMAIN, domid);
  }

  private static String poolName(DomainControl control, int id) {
    return control.cpupools().byId(id).name();
  }

  private static UUID handle(Argument a, int offset) {
    return new UUID(Long.reverseBytes(a.getLong(offset)), Long.reverseBytes(a.getLong(offset + 8)));
  }

  // ---- looking

  /** About the domain of that id, or if there is none the next one. */
  private static void info(DomainControl control, int domid, Argument a, long op) {
    List<DomainInfo> found =
        control
            .domain(domid)
            .map(List::of)
            .orElseGet(
                () -> control.domains().stream().filter(d -> d.domid() > domid).limit(1).toList());
    if (found.isEmpty()) {
      throw new HypercallException(Errno.ESRCH, "no domain from there on: domid=" + domid);
    }
    DomainInfo info = found.getFirst();
    a.requireWritable();
    a.caller().guest().putShort(op + DOMAIN, info.domid());
    write(control, info, a);
    a.writeBack();
  }

  /** Fills in a getdomaininfo. */
  static void write(DomainControl control, DomainInfo info, Argument a) {
    for (int i = 0; i < INFO_SIZE; i += Long.BYTES) {
      a.putLong(i, 0);
    }
    a.putShort(INFO_DOMAIN, info.domid());
    a.putInt(INFO_FLAGS, flags(control.hypervisor().domain(info.domid()), info));
    a.putLong(INFO_PAGES, info.pages());
    a.putLong(INFO_MAX_PAGES, info.maxPages());
    a.putLong(INFO_SHARED_INFO, info.sharedInfoMfn());
    a.putLong(INFO_CPU_TIME, info.cpuNanos());
    a.putInt(INFO_ONLINE, info.onlineVcpus());
    a.putInt(INFO_MAX_VCPU, info.vcpus() - 1);
    a.putLong(INFO_HANDLE, Long.reverseBytes(info.uuid().getMostSignificantBits()));
    a.putLong(INFO_HANDLE + 8, Long.reverseBytes(info.uuid().getLeastSignificantBits()));
    a.putInt(INFO_POOL, control.cpupools().byName(info.pool()).id());
  }

  private static int flags(Domain domain, DomainInfo info) {
    int flags =
        switch (info.state()) {
          case DYING -> INFO_DYING;
          case SHUTDOWN -> INFO_SHUTDOWN | info.shutdownReason() << INFO_REASON_SHIFT;
          case PAUSED, RUNNING -> 0;
        };
    if (domain == null) {
      return flags;
    }
    RunstateInfo runstate = new RunstateInfo();
    boolean running = false, blocked = true;
    for (int i = 0; i < domain.vcpus(); i++) {
      domain.vcpu(i).unit().runstate(runstate);
      running |= runstate.state() == RunstateInfo.RUNNING;
      blocked &= !domain.vcpu(i).online() || runstate.state() == RunstateInfo.BLOCKED;
    }
    return flags
        | (domain.paused() ? INFO_PAUSED : 0)
        | (running ? INFO_RUNNING : 0)
        | (blocked ? INFO_BLOCKED : 0);
  }

  private static Vcpu vcpu(DomainControl control, int command, int domid, Argument a) {
    Vcpu vcpu = control.target(command, domid).vcpu(a.getInt(VCPU));
    if (vcpu == null) {
      boolean outOfRange = command == SET_VCPU_CONTEXT;
      throw new HypercallException(
          outOfRange ? Errno.EINVAL : Errno.ESRCH, "no such vCPU: vcpu=" + a.getInt(VCPU));
    }
    return vcpu;
  }

  private static void vcpuInfo(Vcpu vcpu, Argument a) {
    RunstateInfo runstate = new RunstateInfo();
    vcpu.unit().runstate(runstate);
    a.putByte(VCPU_ONLINE, vcpu.online() ? 1 : 0);
    a.putByte(VCPU_BLOCKED, runstate.state() == RunstateInfo.BLOCKED ? 1 : 0);
    a.putByte(VCPU_RUNNING, runstate.state() == RunstateInfo.RUNNING ? 1 : 0);
    a.putLong(VCPU_CPU_TIME, vcpu.unit().cpuTimeNanos());
    a.putInt(VCPU_CPU, Math.max(0, vcpu.unit().lastPcpu()));
    a.writeBack();
  }

  // ---- interrupts

  private static long sendTrigger(Domain domain, Argument a) {
    Vcpu vcpu = domain.vcpu(a.getInt(TRIGGER_VCPU));
    if (vcpu == null) {
      return -Errno.ESRCH;
    }
    return switch (a.getInt(TRIGGER)) {
      case TRIGGER_NMI -> {
        vcpu.sendNmi();
        yield 0;
      }
      case TRIGGER_POWER, TRIGGER_SLEEP -> -Errno.EINVAL; // buttons of HVM guests
      default -> -Errno.ENOSYS;
    };
  }

  private static long setVirqHandler(Domain domain, int virq) {
    Hypervisor hypervisor = domain.hypervisor();
    int result = hypervisor.virqs().setHandler(virq, domain.domid());
    if (hypervisor.domain(domain.domid()) != domain) { // it has gone meanwhile
      hypervisor.virqs().forget(domain.domid());
    }
    return result;
  }

  // ---- building

  private static long setContext(Vcpu vcpu, Argument a, long op) {
    vcpu.domain().pause();
    try {
      long result = VcpuContext.set(a.caller(), vcpu, a.getLong(CONTEXT));
      if (result != TableWork.RESTART) {
        return result;
      }
      a.caller().continuation().leave(op, 0);
      return CONTINUE;
    } finally {
      vcpu.domain().unpause();
    }
  }

  private static void getContext(Vcpu vcpu, Argument a) {
    if (!vcpu.initialised()) {
      throw new HypercallException(Errno.ENODATA, "vCPU has not been set up: " + vcpu.label());
    }
    long target = a.getLong(CONTEXT);
    a.caller().guest().requireWritable(target, VcpuGuestContextLayout.SIZE);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment context = arena.allocate(VcpuGuestContextLayout.SIZE, 8);
      vcpu.domain().pause();
      try {
        VcpuContext.get(vcpu, context);
      } finally {
        vcpu.domain().unpause();
      }
      a.caller().guest().write(target, context, 0, VcpuGuestContextLayout.SIZE);
    }
  }

  /** What each frame of an array is: its number is replaced by its type. */
  private static long frameInfo(Domain domain, Argument a, long op) {
    long count = a.getLong(FRAMES_COUNT);
    long array = a.getLong(FRAMES_ARRAY);
    Vcpu caller = a.caller();
    if (count < 0 || count > 1 << 20) {
      return -Errno.E2BIG;
    }
    caller.guest().requireWritable(array, count * Long.BYTES);
    FrameTable frames = domain.mmu().machine().table();
    for (long i = 0; i < count; i++) {
      if (i != 0 && i % PREEMPTION_CHECK == 0 && caller.mustPreempt()) {
        a.putLong(FRAMES_COUNT, count - i);
        a.putLong(FRAMES_ARRAY, array + i * Long.BYTES);
        a.writeBack();
        caller.continuation().leave(op, 0);
        return CONTINUE;
      }
      long at = array + i * Long.BYTES;
      long type = frameType(domain, frames, caller.guest().getLong(at));
      caller.guest().putLong(at, type & 0xFFFF_FFFFL);
    }
    return 0;
  }

  private static int frameType(Domain domain, FrameTable frames, long mfn) {
    if (!frames.exists(mfn) || frames.owner(mfn) != domain.domid()) {
      return PFINFO_NOT_THERE;
    }
    int type = frames.type(mfn);
    boolean table = type >= FrameTable.L1 && type <= FrameTable.L4 && frames.typeCount(mfn) != 0;
    return (table ? type << PFINFO_TABLE_SHIFT : 0) | (frames.isPinned(mfn) ? PFINFO_PINNED : 0);
  }

  // ---- scheduling

  private static void setAffinity(DomainControl control, Vcpu vcpu, Argument a) {
    int flags = a.getInt(AFFINITY_FLAGS);
    refuse(flags == 0 || (flags & ~(HARD | SOFT)) != 0);
    int pcpus = vcpu.domain().hypervisor().dispatcher().pcpus();
    UnitParams params = vcpu.unit().params();
    if ((flags & HARD) != 0) {
      params = params.withAffinity(Bitmap.read(a, AFFINITY_HARD, pcpus));
    }
    if ((flags & SOFT) != 0) {
      params = params.withSoftAffinity(Bitmap.read(a, AFFINITY_SOFT, pcpus));
    }
    control.setAffinity(vcpu.domain().domid(), vcpu.id(), params.affinity(), params.softAffinity());
    writeEffective(vcpu, flags, a);
  }

  /** The caller is told on which pCPUs of the pool that comes down to. */
  private static void writeEffective(Vcpu vcpu, int flags, Argument a) {
    UnitParams params = vcpu.unit().params();
    int[] hard =
        Arrays.stream(vcpu.unit().pool().numbers()).filter(params.affinity()::contains).toArray();
    int[] soft = Arrays.stream(hard).filter(params.softAffinity()::contains).toArray();
    if ((flags & HARD) != 0) {
      Bitmap.write(a, AFFINITY_HARD, hard);
    }
    if ((flags & SOFT) != 0) {
      Bitmap.write(a, AFFINITY_SOFT, soft);
    }
  }

  private static void getAffinity(Vcpu vcpu, Argument a) {
    int flags = a.getInt(AFFINITY_FLAGS);
    refuse(flags == 0 || (flags & ~(HARD | SOFT)) != 0);
    int pcpus = vcpu.domain().hypervisor().dispatcher().pcpus();
    if ((flags & HARD) != 0) {
      Bitmap.write(a, AFFINITY_HARD, vcpu.unit().params().affinity(), pcpus);
    }
    if ((flags & SOFT) != 0) {
      Bitmap.write(a, AFFINITY_SOFT, vcpu.unit().params().softAffinity(), pcpus);
    }
  }

  /** Weight and cap; a weight of zero and a cap of all ones leave them as they are. */
  private static void schedulerOp(DomainControl control, int domid, Argument a) {
    Domain domain = control.target(SCHEDULER_OP, domid);
    String scheduler = domain.vcpu(0).unit().pool().scheduler().name();
    refuse(a.getInt(SCHED_ID) != schedulerId(scheduler));
    switch (a.getInt(SCHED_CMD)) {
      case SCHED_PUT -> {
        int weight = a.getShort(SCHED_WEIGHT);
        int cap = a.getShort(SCHED_CAP);
        control.setShare(
            domid,
            weight == 0 ? domain.weight() : weight,
            cap == NO_CAP_CHANGE ? domain.cap() : cap);
      }
      case SCHED_GET -> {
        a.putShort(SCHED_WEIGHT, domain.weight());
        a.putShort(SCHED_CAP, domain.cap());
        a.writeBack();
      }
      default -> refuse(true); // parameters of single vCPUs, which none of these schedulers has
    }
  }
}
