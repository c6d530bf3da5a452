package dev.domus.kernel.grant;

import static dev.domus.kernel.abi.GrantOpLayout.*;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.hypercall.Subops;
import dev.domus.kernel.mmu.GrantEntries;
import dev.domus.memory.FrameTable;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.function.IntToLongFunction;

/**
 * grant_table_op (20) (xen-pv-abi.md, 12.2): takes an array of structures out of guest memory, each
 * once, and leaves a status in each.
 *
 * <h2>Faults and long arrays</h2>
 *
 * <p>The whole array has to lie where a guest may point to before the first element is looked at
 * (XSA-212), and each stretch of {@link #STRETCH} elements has to be writable before anything in it
 * is done, so that nothing is mapped whose handle could not be told. After each stretch what it
 * unmapped is flushed and given back; then a vCPU whose slice is over is preempted: the arguments
 * are made to describe the rest, and it makes the call again when it next runs (xen-pv-abi.md,
 * 4.1).
 *
 * <h2>One at a time, or a page of them</h2>
 *
 * <p>To find the array in the guest's page tables costs about as much as to copy a small packet. An
 * element that changes page tables may change where the array is, so those are read, carried out
 * and answered one by one, each through the tables as its predecessor has left them. A copy changes
 * none. So copies are read as many at once as lie in one page, carried out from that private copy,
 * and answered together: two walks for all of them. Neither translation is kept while a copy is
 * made: who gives the last reference to a frame back may have to wait for vCPUs of another domain,
 * and while he waits nobody must have to wait for him. If another vCPU takes the page away
 * meanwhile, the statuses of at most these are lost, as one would have been before. A copy that is
 * made onto the array itself does not change what its successors in that page do.
 */
public final class GrantTableOp implements Hypercall {
  private static final Subops SUBOPS =
      Subops.byArgument(0xFFF)
          .done(MAP_GRANT_REF, "map_grant_ref")
          .done(UNMAP_GRANT_REF, "unmap_grant_ref")
          .done(SETUP_TABLE, "setup_table")
          .absent(DUMP_TABLE, "dump_table", "Xen dumps to its own console; nothing asks for it")
          .done(TRANSFER, "transfer")
          .done(COPY, "copy")
          .done(QUERY_SIZE, "query_size")
          .done(UNMAP_AND_REPLACE, "unmap_and_replace")
          .done(SET_VERSION, "set_version")
          .done(GET_STATUS_FRAMES, "get_status_frames")
          .done(GET_VERSION, "get_version")
          .done(SWAP_GRANT_REF, "swap_grant_ref")
          .done(CACHE_FLUSH, "cache_flush");

  /** Elements between two chances to be preempted: some ten microseconds. */
  private static final int STRETCH = GrantCall.ROOM;

  /** Bits of the first argument that are the command; those above are Xen's own. */
  private static final int COMMAND_BITS = 12;

  private static final int FRAME_BYTES = 4096, FRAME_SHIFT = 12;
  private static final int CACHE_CLEAN = 1, CACHE_INVALIDATE = 2;

  /** Makes the table entry. */
  public GrantTableOp() {}

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long command, long array, long count, long a4, long a5) {
    int elements = (int) count;
    if (elements < 0 || (int) command >>> COMMAND_BITS != 0) {
      return -Errno.EINVAL;
    }
    return switch ((int) command) {
      case MAP_GRANT_REF -> batch(v, MAP_GRANT_REF, array, elements, MAP_SIZE);
      case UNMAP_GRANT_REF -> batch(v, UNMAP_GRANT_REF, array, elements, UNMAP_SIZE);
      case SETUP_TABLE -> elements == 1 ? setupTable(v, array) : -Errno.EINVAL;
      case TRANSFER -> batch(v, TRANSFER, array, elements, TRANSFER_SIZE);
      case COPY -> batch(v, COPY, array, elements, COPY_SIZE);
      case QUERY_SIZE -> elements == 1 ? querySize(v, array) : -Errno.EINVAL;
      case UNMAP_AND_REPLACE -> batch(v, UNMAP_AND_REPLACE, array, elements, UNMAP_SIZE);
      case SET_VERSION -> setVersion(v, array);
      case GET_STATUS_FRAMES -> elements == 1 ? getStatusFrames(v, array) : -Errno.EINVAL;
      case GET_VERSION -> getVersion(v, array);
      case SWAP_GRANT_REF -> batch(v, SWAP_GRANT_REF, array, elements, SWAP_SIZE);
      case CACHE_FLUSH -> batch(v, CACHE_FLUSH, array, elements, FLUSH_SIZE);
      default -> -Errno.ENOSYS; // dump_table among them
    };
  }

  // ---- operations on arrays ----

  private long batch(Vcpu v, int command, long array, int count, int size) {
    if (!GuestAccess.addressOk(array, (long) count * size)) {
      return -Errno.EFAULT;
    }
    for (int done = 0; done < count; done += STRETCH) {
      long at = array + (long) done * size;
      if (done != 0 && v.mustPreempt()) {
        v.continuation().leave(command, at, count - done);
        return CONTINUE;
      }
      int error = stretch(v, command, at, Math.min(STRETCH, count - done), size);
      if (error != 0) {
        return -error;
      }
    }
    return 0;
  }

  private int stretch(Vcpu v, int command, long first, int count, int size) {
    v.guest().requireWritable(first, (long) count * size);
    GrantTable table = v.domain().grants();
    GrantCall call = table.call(v.id());
    try {
      if (command == COPY) {
        copies(v, call, first, count);
        return 0;
      }
      for (long at = first; at < first + (long) count * size; at += size) {
        v.guest().read(at, call.arguments(), 0, size);
        int error = element(v, table, command, call.arguments(), at);
        if (error != 0) {
          return error;
        }
      }
      return 0;
    } finally {
      call.copy().endRun();
      table.mappings().finishUnmaps(v, v.domain().grantEntries());
    }
  }

  private static void copies(Vcpu v, GrantCall call, long first, int count) {
    for (int done = 0; done < count; ) {
      long at = first + (long) done * COPY_SIZE;
      int group = v.guest().readRecords(at, call.arguments(), COPY_SIZE, count - done);
      for (int i = 0; i < group; i++) {
        call.statuses()[i] = copy(v, call, (long) i * COPY_SIZE);
      }
      v.guest().putShorts(at + COPY_STATUS, COPY_SIZE, call.statuses(), group);
      done += group;
    }
  }

  /**
   * Carries one element out and stores its status; returns an error number that ends the batch, or
   * 0.
   *
   * @param a the element, as it was copied
   * @param at where it is
   */
  private static int element(Vcpu v, GrantTable table, int command, MemorySegment a, long at) {
    switch (command) {
      case MAP_GRANT_REF -> map(v, table.mappings(), a, at);
      case UNMAP_GRANT_REF -> unmap(v, table.mappings(), a, at);
      case TRANSFER -> transfer(v, table, a, at);
      case UNMAP_AND_REPLACE -> unmapAndReplace(v, table.mappings(), a, at);
      case SWAP_GRANT_REF -> swap(v, table, a, at);
      case CACHE_FLUSH -> {
        return cacheFlush(v, a);
      }
      default -> throw new AssertionError("command=" + command);
    }
    return 0;
  }

  private static void map(Vcpu v, GrantMappings mappings, MemorySegment a, long at) {
    int handle =
        mappings.map(
            v,
            v.domain().grantEntries(),
            getLong(a, MAP_HOST),
            getInt(a, MAP_FLAGS),
            getInt(a, MAP_REF),
            getShort(a, MAP_DOM));
    trace(v, MAP_GRANT_REF, getShort(a, MAP_DOM), getInt(a, MAP_REF), handle);
    if (handle < 0) {
      v.guest().putShort(at + MAP_STATUS, handle);
      return;
    }
    a.set(ValueLayout.JAVA_SHORT, MAP_STATUS, (short) GrantStatus.OKAY);
    a.set(ValueLayout.JAVA_INT, MAP_HANDLE, handle);
    a.set(ValueLayout.JAVA_LONG, MAP_DEVICE, mappings.deviceAddress(handle));
    v.guest().write(at + MAP_STATUS, a, MAP_STATUS, MAP_SIZE - MAP_STATUS);
  }

  private static void unmap(Vcpu v, GrantMappings mappings, MemorySegment a, long at) {
    GrantEntries slots = v.domain().grantEntries();
    long hostAddress = getLong(a, UNMAP_HOST);
    long deviceAddress = getLong(a, UNMAP_DEVICE);
    int status = mappings.unmap(v, slots, hostAddress, deviceAddress, getInt(a, UNMAP_HANDLE));
    trace(v, UNMAP_GRANT_REF, Domid.SELF, getInt(a, UNMAP_HANDLE), status);
    v.guest().putShort(at + UNMAP_STATUS, status);
  }

  private static void transfer(Vcpu v, GrantTable table, MemorySegment a, long at) {
    int status =
        GrantTransfer.transfer(
            table, getLong(a, TRANSFER_MFN), getShort(a, TRANSFER_DOMID), getInt(a, TRANSFER_REF));
    trace(v, TRANSFER, getShort(a, TRANSFER_DOMID), getInt(a, TRANSFER_REF), status);
    v.guest().putShort(at + TRANSFER_STATUS, status);
  }

  /**
   * Carries out a copy; returns its status.
   *
   * @param e where the element lies in the private copy
   */
  private static int copy(Vcpu v, GrantCall call, long e) {
    MemorySegment a = call.arguments();
    long source = getLong(a, e + COPY_SOURCE);
    long destination = getLong(a, e + COPY_DEST);
    int sourceDomid = getShort(a, e + COPY_SOURCE_DOM);
    int destinationDomid = getShort(a, e + COPY_DEST_DOM);
    int flags = getShort(a, e + COPY_FLAGS);
    int status =
        call.copy()
            .copyInRun(
                source,
                sourceDomid,
                getShort(a, e + COPY_SOURCE_OFFSET),
                destination,
                destinationDomid,
                getShort(a, e + COPY_DEST_OFFSET),
                getShort(a, e + COPY_LENGTH),
                flags);
    boolean fromGrant = (flags & GrantCopy.SOURCE_IS_REF) != 0;
    int granter = fromGrant ? sourceDomid : destinationDomid;
    trace(v, COPY, granter, (int) (fromGrant ? source : destination), status);
    return status;
  }

  private static void unmapAndReplace(Vcpu v, GrantMappings mappings, MemorySegment a, long at) {
    GrantEntries slots = v.domain().grantEntries();
    long hostAddress = getLong(a, UNMAP_HOST);
    long newAddress = getLong(a, UNMAP_NEW);
    int handle = getInt(a, UNMAP_HANDLE);
    int status = mappings.unmapAndReplace(v, slots, hostAddress, newAddress, handle);
    trace(v, UNMAP_AND_REPLACE, Domid.SELF, handle, status);
    v.guest().putShort(at + UNMAP_STATUS, status);
  }

  private static void swap(Vcpu v, GrantTable table, MemorySegment a, long at) {
    v.guest().putShort(at + SWAP_STATUS, table.swap(getInt(a, SWAP_A), getInt(a, SWAP_B)));
  }

  private static void trace(Vcpu v, int command, int granter, int reference, int status) {
    v.tracer().grant(command, v.domain().domid(), v.id(), granter, reference, status);
  }

  private static long getLong(MemorySegment a, long offset) {
    return a.get(ValueLayout.JAVA_LONG, offset);
  }

  private static int getInt(MemorySegment a, long offset) {
    return a.get(ValueLayout.JAVA_INT, offset);
  }

  private static int getShort(MemorySegment a, long offset) {
    return a.get(ValueLayout.JAVA_SHORT, offset) & 0xFFFF;
  }

  // ---- operations on one structure, in the order of the ABI ----

  private static long setupTable(Vcpu v, long at) {
    GuestAccess guest = v.guest();
    Optional<GrantTable> target = v.domain().grants().other(guest.getShort(at + SETUP_DOM));
    int frames = guest.getInt(at + SETUP_FRAMES);
    long list = guest.getLong(at + SETUP_LIST);
    guest.requireWritable(at + SETUP_STATUS, Short.BYTES);
    requireList(list);
    int status = access(v, target);
    if (status == GrantStatus.OKAY && !mayHave(frames)) {
      status = GrantStatus.GENERAL_ERROR;
    }
    if (status == GrantStatus.OKAY) {
      status = target.get().grow(frames) ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR;
    }
    if (status == GrantStatus.OKAY) {
      status = writeList(guest, list, frames, i -> target.get().frameNumber(i));
    }
    guest.putShort(at + SETUP_STATUS, status);
    return 0;
  }

  /** The list has to lie where a guest may point to; whether it is mapped is said by the status. */
  private static void requireList(long list) {
    if (!GuestAccess.addressOk(list, Long.BYTES)) {
      throw GuestFault.EFAULT;
    }
  }

  private static int writeList(GuestAccess guest, long list, int count, IntToLongFunction frame) {
    try {
      for (int i = 0; i < count; i++) {
        guest.putLong(list + (long) i * Long.BYTES, frame.applyAsLong(i));
      }
      return GrantStatus.OKAY;
    } catch (GuestFault unmapped) {
      return GrantStatus.BAD_VIRT_ADDR;
    }
  }

  private static boolean mayHave(int frames) {
    return frames >= 0 && frames <= GrantTable.MAX_FRAMES;
  }

  private static long querySize(Vcpu v, long at) {
    GuestAccess guest = v.guest();
    Optional<GrantTable> target = v.domain().grants().other(guest.getShort(at + QUERY_DOM));
    int status = access(v, target);
    if (status == GrantStatus.OKAY) {
      target
          .get()
          .grow(1); // a domain has one frame from its beginning; it may not have been needed before
      guest.putInt(at + QUERY_FRAMES, target.get().frames());
      guest.putInt(at + QUERY_MAX_FRAMES, GrantTable.MAX_FRAMES);
    }
    guest.putShort(at + QUERY_STATUS, status);
    return 0;
  }

  /** Whatever the answer is, the guest finds the version that now holds. */
  private static long setVersion(Vcpu v, long at) {
    int version = v.guest().getInt(at);
    v.guest().requireWritable(at, Integer.BYTES);
    GrantTable table = v.domain().grants();
    int error = version == 1 || version == 2 ? table.changeVersion(version) : -Errno.EINVAL;
    v.guest().putInt(at, table.version());
    return error;
  }

  private static long getStatusFrames(Vcpu v, long at) {
    GuestAccess guest = v.guest();
    Optional<GrantTable> target = v.domain().grants().other(guest.getShort(at + STATUS_FRAMES_DOM));
    int wanted = guest.getInt(at + STATUS_FRAMES_FRAMES);
    long list = guest.getLong(at + STATUS_FRAMES_LIST);
    guest.requireWritable(at + STATUS_FRAMES_STATUS, Short.BYTES);
    requireList(list);
    int status = access(v, target);
    if (status == GrantStatus.OKAY) {
      long[] frames = target.get().statusFrames();
      status =
          Integer.compareUnsigned(wanted, frames.length) > 0
              ? GrantStatus.GENERAL_ERROR
              : writeList(guest, list, wanted, i -> target.get().machine().number(frames[i]));
    }
    guest.putShort(at + STATUS_FRAMES_STATUS, status);
    return 0;
  }

  private static long getVersion(Vcpu v, long at) {
    Optional<GrantTable> target = v.domain().grants().other(v.guest().getShort(at + VERSION_DOM));
    if (target.isEmpty()) {
      return -Errno.ESRCH;
    }
    if (!target.get().controlledBy(v.domain().grants().domid())) {
      return -Errno.EPERM;
    }
    v.guest().putInt(at + VERSION_VERSION, target.get().version());
    return 0;
  }

  /**
   * There is one view of memory, coherent with all devices: nothing is to be done, but only for
   * frames that are the domain's own or that it has mapped. To throw away what a cache has not yet
   * written is something that x86 has no means for.
   */
  private static int cacheFlush(Vcpu v, MemorySegment a) {
    int offset = getShort(a, FLUSH_OFFSET);
    int length = getShort(a, FLUSH_LENGTH);
    int op = getInt(a, FLUSH_OP);
    boolean known = (op & ~(CACHE_CLEAN | CACHE_INVALIDATE)) == 0; // a reference is not taken
    if (offset >= FRAME_BYTES || offset + length > FRAME_BYTES || !known) {
      return Errno.EINVAL;
    }
    if (length == 0 || op == 0) {
      return 0;
    }
    long mfn = getLong(a, FLUSH_ADDRESS) >>> FRAME_SHIFT;
    FrameTable frames = v.domain().mmu().machine().table();
    if (!frames.exists(mfn)) {
      return Errno.EINVAL;
    }
    int owner = frames.owner(mfn);
    if (owner == FrameTable.NOBODY || owner == FrameTable.HYPERVISOR) {
      return Errno.EPERM;
    }
    if (owner != v.domain().domid() && !v.domain().grants().mappings().has(mfn)) {
      return Errno.EINVAL;
    }
    return op == CACHE_INVALIDATE ? Errno.EOPNOTSUPP : 0;
  }

  private static int access(Vcpu v, Optional<GrantTable> target) {
    if (target.isEmpty()) {
      return GrantStatus.BAD_DOMAIN;
    }
    return target.get().controlledBy(v.domain().grants().domid())
        ? GrantStatus.OKAY
        : GrantStatus.PERMISSION_DENIED;
  }
}
