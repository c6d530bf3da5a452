package dev.domus.kernel.domctl;

import static dev.domus.kernel.abi.SysctlLayout.*;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.console.MachineConsole;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.dispatch.Pool;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.hypercall.Subops;
import dev.domus.kernel.service.HypercallException;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * sysctl (35): questions about the machine by a privileged guest (public/sysctl.h of Xen 4.17,
 * drawn in {@link dev.domus.kernel.abi.SysctlLayout}).
 *
 * <p>Order of the checks: readable (−EFAULT), interface version (−EACCES), the caller may (−EPERM),
 * the command exists (−ENOSYS), its arguments.
 *
 * <p>The machine is one node with as many processors, one core and one thread each, as its pools
 * have pCPUs; they are numbered pool by pool.
 */
public final class SysctlOp implements Hypercall {
  private static final String NO_HARDWARE = "the host's processors are the host's";
  private static final Subops SUBOPS =
      Subops.byStructure()
          .done(READ_CONSOLE, "readconsole")
          .absent(2, "tbuf_op", "the trace is read by Java's means")
          .done(PHYS_INFO, "physinfo")
          .done(SCHED_ID, "sched_id")
          .absent(5, "perfc_op", "statistics are read by Java's means")
          .done(GET_DOMAIN_INFO_LIST, "getdomaininfolist")
          .done(DEBUG_KEYS, "debug_keys")
          .done(GET_CPU_INFO, "getcpuinfo")
          .done(AVAIL_HEAP, "availheap")
          .absent(10, "get_pmstat", NO_HARDWARE)
          .absent(11, "cpu_hotplug", NO_HARDWARE)
          .absent(12, "pm_op", NO_HARDWARE)
          .absent(14, "page_offline_op", NO_HARDWARE)
          .absent(15, "lockprof_op", "for debugging Xen")
          .done(CPU_TOPOLOGY, "cputopoinfo")
          .done(NUMA_INFO, "numainfo")
          .done(CPUPOOL_OP, "cpupool_op")
          .done(SCHEDULER_OP, "scheduler_op")
          .absent(20, "coverage_op", "for debugging Xen")
          .absent(21, "psr_cmt_op", NO_HARDWARE)
          .absent(22, "pcitopoinfo", NO_HARDWARE)
          .absent(23, "psr_alloc", NO_HARDWARE)
          .absent(25, "get_cpu_levelling_caps", NO_HARDWARE)
          .absent(26, "get_cpu_featureset", "all guests see one processor")
          .absent(27, "livepatch_op", "schedulers and backends are swapped as plugins")
          .absent(29, "get_cpu_policy", "all guests see one processor");

  private static final int MOST_KEYS = 64;
  private static final int KILO = 1000;

  /** Makes the table entry. */
  public SysctlOp() {}

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long op, long a2, long a3, long a4, long a5) {
    v.guest().requireReadable(op, DomctlLayout.SYSCTL_SIZE);
    int command = v.guest().getInt(op + DomctlLayout.COMMAND);
    if (v.guest().getInt(op + DomctlLayout.VERSION) != DomctlLayout.INTERFACE_VERSION) {
      return -Errno.EACCES;
    }
    DomainControl control = v.domain().hypervisor().control().as(v.domain().domid());
    try {
      control.gate(Operation.SYSCTL, Domid.XEN, command);
      Argument a = new Argument(v, op + UNION);
      a.requireWritable();
      long result = carryOut(control, command, a);
      if (result == 0) {
        a.writeBack();
      } else if (result == CONTINUE) {
        v.continuation().leave(op, a2);
      }
      return result;
    } catch (HypercallException refused) {
      return -refused.errno();
    }
  }

  private static long carryOut(DomainControl control, int command, Argument a) {
    Hypervisor hypervisor = control.hypervisor();
    switch (command) {
      case READ_CONSOLE -> readConsole(hypervisor.console(), a);
      case PHYS_INFO -> physInfo(hypervisor, a);
      case SCHED_ID ->
          a.putInt(0, DomctlLayout.schedulerId(pools(hypervisor).getFirst().scheduler().name()));
      case GET_DOMAIN_INFO_LIST -> domainInfoList(control, a);
      case DEBUG_KEYS -> debugKeys(hypervisor, a);
      case GET_CPU_INFO -> cpuInfo(hypervisor, a);
      case AVAIL_HEAP ->
          a.putLong(
              HEAP_BYTES,
              hypervisor.machineFrames().allocator().freeFrames() << MachineMemory.FRAME_SHIFT);
      case CPU_TOPOLOGY -> topology(hypervisor, a);
      case NUMA_INFO -> numaInfo(hypervisor, a);
      case CPUPOOL_OP -> {
        return cpupoolOp(control, a);
      }
      case SCHEDULER_OP -> {
        return SchedulerOp.ofPool(control, a);
      }
      default -> throw new HypercallException(Errno.ENOSYS, "no such sysctl: cmd=" + command);
    }
    return 0;
  }

  private static List<Pool> pools(Hypervisor hypervisor) {
    return hypervisor.dispatcher().pools();
  }

  private static int pcpus(Hypervisor hypervisor) {
    return hypervisor.dispatcher().pcpus();
  }

  // ---- the machine

  private static void readConsole(MachineConsole console, Argument a) {
    int wanted = Math.min(a.getInt(CONSOLE_COUNT) & 0x7FFF_FFFF, MachineConsole.SIZE);
    long buffer = a.getLong(CONSOLE_BUFFER);
    GuestAccess guest = a.caller().guest();
    guest.requireWritable(buffer, wanted);
    MemorySegment text = MemorySegment.ofArray(new byte[wanted]);
    boolean incremental = a.getByte(CONSOLE_INCREMENTAL) != 0;
    long read = console.read(incremental ? a.getInt(CONSOLE_INDEX) : console.oldest(), text);
    int count = (int) read;
    guest.write(buffer, text, 0, count);
    if (a.getByte(CONSOLE_CLEAR) != 0) {
      console.clear();
    }
    a.putInt(CONSOLE_INDEX, (int) (read >>> 32));
    a.putInt(CONSOLE_COUNT, count);
  }

  /**
   * Keys as on Xen's console: {@code q} lists the domains there, and raises VIRQ_DEBUG at each vCPU
   * that has bound it. Others mean nothing, and are no error.
   */
  private static void debugKeys(Hypervisor hypervisor, Argument a) {
    int count = a.getInt(KEYS_COUNT);
    DomctlOp.refuse(count < 0 || count > MOST_KEYS);
    long keys = a.getLong(KEYS);
    byte[] pressed = new byte[count];
    a.caller().guest().read(keys, MemorySegment.ofArray(pressed), 0, count);
    for (byte key : pressed) {
      if (key == 'q') {
        hypervisor.domains().forEach(domain -> debugInterrupt(hypervisor, domain));
      }
    }
  }

  private static void debugInterrupt(Hypervisor hypervisor, Domain domain) {
    for (int i = 0; i < domain.vcpus(); i++) {
      hypervisor
          .console()
          .writeLine("Notifying guest %d:%d (virq %d)".formatted(domain.domid(), i, Virq.DEBUG));
      domain.events().raiseVirq(Virq.DEBUG, i);
    }
  }

  private static void physInfo(Hypervisor hypervisor, Argument a) {
    for (int i = 0; i < DomctlLayout.UNION_SIZE; i += Long.BYTES) {
      a.putLong(i, 0);
    }
    FrameAllocator allocator = hypervisor.machineFrames().allocator();
    int pcpus = pcpus(hypervisor);
    a.putInt(PHYS_THREADS, 1);
    a.putInt(PHYS_CORES, pcpus);
    a.putInt(PHYS_CPUS, pcpus);
    a.putInt(PHYS_MAX_CPU, pcpus - 1);
    a.putInt(PHYS_NODES, 1);
    a.putInt(PHYS_KHZ, (int) (hypervisor.tscHz() / KILO));
    a.putInt(PHYS_CAPABILITIES, CAPABILITY_PV);
    a.putLong(PHYS_TOTAL, allocator.managedFrames());
    a.putLong(PHYS_FREE, allocator.freeFrames());
    a.putLong(PHYS_CLAIMED, allocator.claimedFrames());
    a.putLong(PHYS_MAX_MFN, hypervisor.frames() - 1);
  }

  /** Idle time is not kept: it is answered as none. */
  private static void cpuInfo(Hypervisor hypervisor, Argument a) {
    int count = elements(pcpus(hypervisor), a);
    long array = a.getLong(CPUS_ARRAY);
    a.caller().guest().requireWritable(array, (long) count * CPU_INFO_SIZE);
    for (int i = 0; i < count; i++) {
      a.caller().guest().putLong(array + (long) i * CPU_INFO_SIZE, 0);
    }
    a.putInt(CPUS_COUNT, count);
  }

  private static int elements(int pcpus, Argument a) {
    return (int) Math.min(pcpus, a.getInt(CPUS_MAX) & 0xFFFF_FFFFL);
  }

  /** Without an array, only how many there are. */
  private static void topology(Hypervisor hypervisor, Argument a) {
    int pcpus = pcpus(hypervisor);
    long array = a.getLong(CPUS_ARRAY);
    if (array != 0) {
      int count = elements(pcpus, a);
      GuestAccess guest = a.caller().guest();
      guest.requireWritable(array, (long) count * CPU_TOPOLOGY_SIZE);
      for (int i = 0; i < count; i++) {
        long at = array + (long) i * CPU_TOPOLOGY_SIZE;
        guest.putInt(at, i);
        guest.putInt(at + 4, 0);
        guest.putInt(at + 8, 0);
      }
    }
    a.putInt(CPUS_MAX, pcpus);
  }

  /** One node, at the distance from itself that the ABI gives every node. */
  private static void numaInfo(Hypervisor hypervisor, Argument a) {
    long memory = a.getLong(NUMA_MEMORY);
    long distance = a.getLong(NUMA_DISTANCE);
    GuestAccess guest = a.caller().guest();
    if (a.getInt(NUMA_NODES) != 0 && memory != 0) {
      FrameAllocator allocator = hypervisor.machineFrames().allocator();
      guest.requireWritable(memory, 2 * Long.BYTES);
      guest.putLong(memory, hypervisor.frames() << MachineMemory.FRAME_SHIFT);
      guest.putLong(memory + Long.BYTES, allocator.freeFrames() << MachineMemory.FRAME_SHIFT);
    }
    if (a.getInt(NUMA_NODES) != 0 && distance != 0) {
      guest.putInt(distance, 10);
    }
    a.putInt(NUMA_NODES, 1);
  }

  // ---- domains and pools

  private static void domainInfoList(DomainControl control, Argument a) {
    int first = a.getShort(LIST_FIRST);
    long max = a.getInt(LIST_MAX) & 0xFFFF_FFFFL;
    long buffer = a.getLong(LIST_BUFFER);
    List<DomainInfo> domains =
        control.domains().stream().filter(d -> d.domid() >= first).limit(max).toList();
    a.caller().guest().requireWritable(buffer, (long) domains.size() * DomctlLayout.INFO_SIZE);
    Argument info = new Argument(a);
    for (int i = 0; i < domains.size(); i++) {
      DomctlOp.write(control, domains.get(i), info);
      info.writeTo(buffer + (long) i * DomctlLayout.INFO_SIZE, DomctlLayout.INFO_SIZE);
    }
    a.putInt(LIST_COUNT, domains.size());
  }

  /**
   * Pools are made and forgotten without pCPUs, which only concerns the list of pools, and at once.
   * What moves pCPUs or vCPUs waits for pCPUs, and is an errand.
   */
  private static long cpupoolOp(DomainControl control, Argument a) {
    int op = a.getInt(POOL_OP);
    switch (op) {
      case POOL_INFO -> poolInfo(control, a);
      case POOL_FREE_INFO -> freeInfo(control.hypervisor(), a);
      case POOL_CREATE, POOL_DESTROY -> {
        if (!control.cpupools().tryLock()) {
          return CONTINUE;
        }
        try {
          if (op == POOL_CREATE) {
            a.putInt(POOL_ID, control.createPool(a.getInt(POOL_ID), a.getInt(POOL_SCHED)));
          } else {
            control.cpupools().destroy(control.cpupools().byId(a.getInt(POOL_ID)));
          }
        } finally {
          control.cpupools().unlock();
        }
      }
      case POOL_ADD_CPU, POOL_REMOVE_CPU, POOL_MOVE_DOMAIN -> {
        Change change = new Change(op, a.getInt(POOL_ID), a.getInt(POOL_CPU), a.getInt(POOL_DOMID));
        DomctlOp.refuse(op == POOL_MOVE_DOMAIN && change.domid == a.caller().domain().domid());
        OptionalInt result =
            control.errands().ask(a.caller(), change, () -> change.carryOut(control));
        return result.isPresent() ? result.getAsInt() : CONTINUE;
      }
      default -> throw new HypercallException(Errno.ENOSYS, "no such cpupool operation");
    }
    return 0;
  }

  /** A change of a pool that waits for pCPUs. */
  private record Change(int op, int pool, int pcpu, int domid) {
    /** By a thread that is no pCPU's. */
    int carryOut(DomainControl control) {
      Cpupools cpupools = control.cpupools();
      cpupools.lock();
      try {
        Cpupools.Cpupool target = cpupools.byId(pool);
        switch (op) {
          case POOL_ADD_CPU -> cpupools.addPcpu(target, pcpu);
          case POOL_REMOVE_CPU -> control.removePcpu(target, pcpu);
          default -> control.move(domid, target);
        }
      } finally {
        cpupools.unlock();
      }
      return 0;
    }
  }

  /** Which pCPUs are in no pool; asked of the pools, so that no pCPU's thread waits for a lock. */
  private static void freeInfo(Hypervisor hypervisor, Argument a) {
    BitSet free = new BitSet();
    free.set(0, pcpus(hypervisor));
    for (Pool pool : pools(hypervisor)) {
      for (int pcpu : pool.numbers()) {
        free.clear(pcpu);
      }
    }
    Bitmap.write(a, POOL_CPUS, free.stream().toArray());
  }

  /** About the pool of that number, or if there is none the next one. */
  private static void poolInfo(DomainControl control, Argument a) {
    int id = a.getInt(POOL_ID);
    Cpupools.Cpupool pool =
        control.cpupools().all().stream()
            .filter(other -> other.id() >= id)
            .findFirst()
            .orElseThrow(
                () -> new HypercallException(Errno.ENOENT, "no cpupool from there on: id=" + id));
    Bitmap.write(a, POOL_CPUS, pool.pcpus());
    a.putInt(POOL_ID, pool.id());
    a.putInt(POOL_SCHED, DomctlLayout.schedulerId(pool.scheduler().name()));
    long domains =
        control.hypervisor().domains().stream()
            .filter(d -> Optional.of(d.vcpu(0).unit().pool()).equals(pool.pool()))
            .count();
    a.putInt(POOL_DOMAINS, (int) domains);
  }
}
