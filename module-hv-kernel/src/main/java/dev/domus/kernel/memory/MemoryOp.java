package dev.domus.kernel.memory;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.hypercall.Subops;
import dev.domus.kernel.mmu.Mmu;
import dev.domus.kernel.mmu.Physmap;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.MachineToPhys;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * memory_op (12) (xen-pv-abi.md, 13), for direct-paged domains and, by {@link PhysmapOp}, for
 * translated ones. The low six bits of RDI are the command; the bits above are where a preempted
 * reservation goes on.
 *
 * <pre>
 *   xen_memory_reservation (32): u64 extent_start@0, u64 nr_extents@8, u32 extent_order@16, u32 mem_flags@20, u16 domid@24
 * </pre>
 */
public final class MemoryOp implements Hypercall {
  private static final String TRANSLATED = "for guests whose addresses are translated";
  private static final String NO_PAGING = "memory is neither paged out nor shared";
  private static final Subops SUBOPS =
      Subops.byArgument(0x3F)
          .done(0, "increase_reservation")
          .done(1, "decrease_reservation")
          .done(2, "maximum_ram_page")
          .done(3, "current_reservation")
          .done(4, "maximum_reservation")
          .done(5, "machphys_mfn_list")
          .done(6, "populate_physmap")
          .done(PhysmapOp.ADD_TO_PHYSMAP, "add_to_physmap")
          .done(9, "memory_map")
          .refused(10, "machine_memory_map", "there is no firmware's map")
          .done(11, "exchange")
          .done(12, "machphys_mapping")
          .done(13, "set_memory_map")
          .done(14, "maximum_gpfn")
          .done(PhysmapOp.REMOVE_FROM_PHYSMAP, "remove_from_physmap")
          .refused(16, "set_pod_target", TRANSLATED)
          .refused(17, "get_pod_target", TRANSLATED)
          .absent(18, "get_sharing_freed_pages", NO_PAGING)
          .absent(19, "get_sharing_shared_pages", NO_PAGING)
          .absent(20, "paging_op", NO_PAGING)
          .absent(21, "access_op", TRANSLATED)
          .absent(22, "sharing_op", NO_PAGING)
          .absent(23, "add_to_physmap_batch", "translated domains add frames one at a time")
          .refused(24, "claim_pages", "claims are the machine's own")
          .absent(25, "machphys_compat_mfn_list", "for 32-bit guests")
          .absent(26, "get_vnumainfo", "domains have one NUMA node")
          .absent(27, "reserved_device_memory_map", "no domain has physical devices")
          .refused(28, "acquire_resource", "foreign memory is mapped by mmu_update");

  private static final int COMMAND_BITS = 6;
  private static final int INCREASE_RESERVATION = 0, DECREASE_RESERVATION = 1, MAXIMUM_RAM_PAGE = 2;
  private static final int CURRENT_RESERVATION = 3, MAXIMUM_RESERVATION = 4, MACHPHYS_MFN_LIST = 5;
  private static final int POPULATE_PHYSMAP = 6,
      MEMORY_MAP = 9,
      MACHINE_MEMORY_MAP = 10,
      EXCHANGE = 11;
  private static final int MACHPHYS_MAPPING = 12;
  private static final int SET_MEMORY_MAP = 13,
      MAXIMUM_GPFN = 14,
      SET_POD_TARGET = 16,
      GET_POD_TARGET = 17;
  private static final int ACCESS_OP = 21, ADD_TO_PHYSMAP_BATCH = 23, CLAIM_PAGES = 24;
  private static final int ACQUIRE_RESOURCE = 28, LAST_COMMAND = 28;
  private static final int POPULATE_ON_DEMAND = 1 << 16;
  private static final long M2P_START = 0xFFFF8000_00000000L, M2P_END = 0xFFFF8040_00000000L;
  private static final long M2P_LAST_MFN = (1L << 35) - 1;
  private static final int RESERVATION_SIZE = 32;
  private static final int E820_ENTRY_SIZE = 20, E820_RAM = 1, E820_MOST = 1024;
  private static final int PREEMPTION_CHECK = 64;
  private static final int FRAMES_OF_2_MIB = 512;

  /** Makes the table entry. */
  public MemoryOp() {}

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long commandAndStart, long arg, long a3, long a4, long a5) {
    int command = (int) commandAndStart & (1 << COMMAND_BITS) - 1;
    if (commandAndStart >>> COMMAND_BITS != 0 && !isContinued(command)) {
      return command <= LAST_COMMAND && !ofTheMachine(command) ? -Errno.EINVAL : -Errno.ENOSYS;
    }
    return switch (command) {
      case INCREASE_RESERVATION, DECREASE_RESERVATION, POPULATE_PHYSMAP ->
          reservation(v, command, commandAndStart >>> COMMAND_BITS, arg);
      case MAXIMUM_RAM_PAGE -> v.domain().hypervisor().frames();
      case CURRENT_RESERVATION, MAXIMUM_RESERVATION, MAXIMUM_GPFN -> pages(v, command, arg);
      case MEMORY_MAP -> memoryMap(v, arg);
      case PhysmapOp.ADD_TO_PHYSMAP -> PhysmapOp.add(v, arg);
      case PhysmapOp.REMOVE_FROM_PHYSMAP -> PhysmapOp.remove(v, arg);
      case EXCHANGE -> MemoryExchange.call(v, commandAndStart, arg);
      case MACHPHYS_MAPPING -> machphysMapping(v, arg);
      case MACHPHYS_MFN_LIST -> machphysMfnList(v, arg);
      case SET_MEMORY_MAP -> setMemoryMap(v, arg);
      case MACHINE_MEMORY_MAP, SET_POD_TARGET, GET_POD_TARGET -> -Errno.EPERM;
      case CLAIM_PAGES, ACQUIRE_RESOURCE -> -Errno.EPERM;
      default -> -Errno.ENOSYS;
    };
  }

  /** Says whether the bits above a command mean something. */
  private static boolean isContinued(int command) {
    return switch (command) {
      case INCREASE_RESERVATION, DECREASE_RESERVATION, POPULATE_PHYSMAP -> true;
      case PhysmapOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP_BATCH, ACCESS_OP, ACQUIRE_RESOURCE -> true;
      default -> false;
    };
  }

  /** Says whether a command is one that Xen keeps apart as x86's: there such bits make another. */
  private static boolean ofTheMachine(int command) {
    return switch (command) {
      case MACHPHYS_MFN_LIST, 8, MEMORY_MAP, MACHINE_MEMORY_MAP, MACHPHYS_MAPPING -> true;
      case SET_MEMORY_MAP, SET_POD_TARGET, GET_POD_TARGET, 18, 19, 20, 22, 25 -> true;
      default -> false;
    };
  }

  // ---- reservations

  /**
   * Answers with how many extents are done, never with an error number: whoever names a bad
   * address, or a domain whose memory is not his to change, gets none (Xen, common/memory.c,
   * do_memory_op).
   */
  private static long reservation(Vcpu v, int command, long start, long arg) {
    try {
      v.guest().requireReadable(arg, RESERVATION_SIZE);
    } catch (GuestFault unreadable) {
      return start;
    }
    long extents = v.guest().getLong(arg);
    long count = v.guest().getLong(arg + 8);
    int order = v.guest().getInt(arg + 16);
    int domid = v.guest().getShort(arg + 24);
    Domain target = TargetMemory.domain(v, domid);
    if (target == null || TargetMemory.error(v, domid, Operation.ADJUST_MEMORY, command) != 0) {
      return start;
    }
    if (count < 0 || count > Long.MAX_VALUE >>> COMMAND_BITS + 3 || start > count) {
      return start; // nothing that is to be done can be done
    }
    boolean listNeeded = command != INCREASE_RESERVATION || extents != 0;
    if (listNeeded
        && !GuestAccess.addressOk(extents, count * 8)) { // all of it, before any effect (XSA-212)
      return start;
    }
    if (order < 0 || order > FrameAllocator.MAX_ORDER) {
      return start;
    }
    boolean onDemand = (v.guest().getInt(arg + 20) & POPULATE_ON_DEMAND) != 0;
    if (command == POPULATE_PHYSMAP && onDemand) {
      return start; // for guests whose addresses are translated, by others
    }
    for (long i = start; i < count; i++) {
      if (i != start && i % PREEMPTION_CHECK == 0 && v.mustPreempt()) {
        v.continuation().leave(command | i << COMMAND_BITS, arg);
        return CONTINUE;
      }
      boolean done;
      try {
        long at = extents + 8 * i;
        done =
            target.physmap().isPresent()
                ? translated(v, target.physmap().get(), command, at, order)
                : direct(v, target.mmu(), command, extents == 0 ? 0 : at, order);
      } catch (GuestFault fault) {
        return i; // the extents before this one are done
      }
      if (!done) {
        return i;
      }
    }
    return count;
  }

  /** One extent of a direct-paged domain. */
  private static boolean direct(Vcpu v, Mmu mmu, int command, long at, int order) {
    return switch (command) {
      case INCREASE_RESERVATION -> increase(v, mmu, at, order);
      case DECREASE_RESERVATION -> decrease(v, mmu, at, order);
      default -> populate(v, mmu, at, order);
    };
  }

  /**
   * One extent of a translated domain. A frame without a number would be of no use to it, so
   * increase_reservation gives none.
   */
  private static boolean translated(Vcpu v, Physmap physmap, int command, long at, int order) {
    return switch (command) {
      case INCREASE_RESERVATION -> false;
      case DECREASE_RESERVATION -> PhysmapOp.decrease(v, physmap, at, order);
      default -> PhysmapOp.populate(v, physmap, at, order);
    };
  }

  private static boolean increase(Vcpu v, Mmu mmu, long at, int order) {
    if (at != 0) {
      v.guest().requireWritable(at, 8);
    }
    long mfn = mmu.allocate(order);
    if (mfn < 0) {
      return false;
    }
    if (at != 0) {
      v.guest().putLong(at, mfn);
    }
    return true;
  }

  private static boolean decrease(Vcpu v, Mmu mmu, long at, int order) {
    long first = v.guest().getLong(at);
    for (long mfn = first; mfn - first < 1L << order; mfn++) {
      if (!mmu.giveBackUnused(mfn)) {
        return false;
      }
    }
    return true;
  }

  private static boolean populate(Vcpu v, Mmu mmu, long at, int order) {
    v.guest().requireWritable(at, 8);
    long pfn = v.guest().getLong(at);
    long mfn = mmu.allocate(order);
    if (mfn < 0) {
      return false;
    }
    for (long i = 0; i < 1L << order; i++) {
      mmu.setPfn(mfn + i, pfn + i);
    }
    v.guest().putLong(at, mfn);
    return true;
  }

  // ---- questions

  private static long pages(Vcpu v, int command, long arg) {
    int domid = v.guest().getShort(arg);
    int error = TargetMemory.error(v, domid, Operation.QUERY_MEMORY, command);
    if (error != 0) {
      return error;
    }
    Domain target = TargetMemory.domain(v, domid);
    if (target == null) {
      return -Errno.ESRCH;
    }
    Mmu mmu = target.mmu();
    return switch (command) {
      case CURRENT_RESERVATION -> mmu.pages();
      case MAXIMUM_RESERVATION -> mmu.maxPages();
      default -> target.physmap().map(Physmap::highest).orElseGet(() -> mmu.maxPages() - 1);
    };
  }

  /** The frames that hold the M2P, one of each 2 MiB: u32 max@0, u64 list@8, u32 count@16 out. */
  private static long machphysMfnList(Vcpu v, long arg) {
    long max = v.guest().getInt(arg) & 0xFFFF_FFFFL;
    long list = v.guest().getLong(arg + 8);
    MachineToPhys m2p = v.domain().mmu().machine().m2p();
    int count = 0;
    for (long mfn = m2p.firstFrame(); mfn < m2p.endFrame() && count < max; mfn += FRAMES_OF_2_MIB) {
      v.guest().putLong(list + 8L * count, mfn);
      count++;
    }
    v.guest().putInt(arg + 16, count);
    return 0;
  }

  /**
   * The domain's memory map: what its toolstack has set, or as Xen's usual toolstack sets it, RAM
   * from 0 to the most it may have. u32 entries@0 in and out, u64 list@8; an entry (20) is u64
   * start, u64 size, u32 type.
   */
  private static long memoryMap(Vcpu v, long arg) {
    long room = v.guest().getInt(arg) & 0xFFFF_FFFFL;
    long list = v.guest().getLong(arg + 8);
    MemorySegment map =
        v.domain().settings().memoryMap().orElseGet(() -> plainMap(v.domain().mmu()));
    if (map.byteSize() == 0) {
      return -Errno.ENOSYS; // as if none had been set
    }
    int count = (int) Math.min(room, map.byteSize() / E820_ENTRY_SIZE);
    v.guest().write(list, map, 0, count * E820_ENTRY_SIZE);
    v.guest().putInt(arg, count);
    return 0;
  }

  private static MemorySegment plainMap(Mmu mmu) {
    MemorySegment map = MemorySegment.ofArray(new byte[E820_ENTRY_SIZE]);
    map.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, mmu.maxPages() << 12);
    map.set(ValueLayout.JAVA_INT_UNALIGNED, 16, E820_RAM);
    return map;
  }

  /** u16 domid@0, u32 entries@8, u64 list@16. A domain may set its own. */
  private static long setMemoryMap(Vcpu v, long arg) {
    int domid = v.guest().getShort(arg);
    long count = v.guest().getInt(arg + 8) & 0xFFFF_FFFFL;
    long list = v.guest().getLong(arg + 16);
    if (count > E820_MOST) {
      return -Errno.EINVAL;
    }
    int error = TargetMemory.error(v, domid, Operation.ADJUST_MEMORY, SET_MEMORY_MAP);
    Domain target = TargetMemory.domain(v, domid);
    if (error != 0 || target == null) {
      return error != 0 ? error : -Errno.ESRCH;
    }
    MemorySegment map = MemorySegment.ofArray(new byte[(int) count * E820_ENTRY_SIZE]);
    v.guest().read(list, map, 0, (int) map.byteSize());
    target.settings().setMemoryMap(map);
    return 0;
  }

  private static long machphysMapping(Vcpu v, long arg) {
    v.guest().requireWritable(arg, 24);
    v.guest().putLong(arg, M2P_START);
    v.guest().putLong(arg + 8, M2P_END);
    v.guest().putLong(arg + 16, M2P_LAST_MFN);
    return 0;
  }
}
