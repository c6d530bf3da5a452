package dev.domus.kernel.grant;

import static dev.domus.kernel.abi.GrantOpLayout.*;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.hypercall.Subops;
import dev.domus.kernel.mmu.GrantEntries;
import java.util.Optional;

/**
 * grant_table_op (20) (xen-pv-abi.md, 12.2): takes an array of structures out of guest memory, one
 * at a time, and leaves a status in each.
 *
 * <h2>Faults and long arrays</h2>
 *
 * <p>The whole array has to lie where a guest may point to before the first element is looked at
 * (XSA-212), and each stretch of {@link #STRETCH} elements has to be writable before anything in it
 * is done, so that nothing is mapped whose handle could not be told. Between two stretches a vCPU
 * whose slice is over is preempted: the arguments are made to describe the rest, and it makes the
 * call again when it next runs (xen-pv-abi.md, 4.1).
 */
public final class GrantTableOp implements Hypercall {
  private static final Subops SUBOPS =
      Subops.byArgument()
          .done(MAP_GRANT_REF, "map_grant_ref")
          .done(UNMAP_GRANT_REF, "unmap_grant_ref")
          .done(SETUP_TABLE, "setup_table")
          .absent(DUMP_TABLE, "dump_table", "Xen dumps to its own console; nothing asks for it")
          .refused(TRANSFER, "transfer", "every element gets GNTST_general_error")
          .done(COPY, "copy")
          .done(QUERY_SIZE, "query_size")
          .done(UNMAP_AND_REPLACE, "unmap_and_replace")
          .done(SET_VERSION, "set_version")
          .refused(GET_STATUS_FRAMES, "get_status_frames", "grant tables are version 1")
          .done(GET_VERSION, "get_version")
          .done(SWAP_GRANT_REF, "swap_grant_ref")
          .done(CACHE_FLUSH, "cache_flush");

  /** Elements between two chances to be preempted: some ten microseconds. */
  private static final int STRETCH = 64;

  private static final int FRAME_BYTES = 4096;
  private static final int CACHE_CLEAN = 1, CACHE_INVALIDATE = 2, CACHE_SOURCE_IS_REF = 1 << 31;

  private final GrantEntries slots;

  /**
   * Makes the hypercall.
   *
   * @param slots changes the page-table entries of mappings
   */
  public GrantTableOp(GrantEntries slots) {
    this.slots = slots;
  }

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long command, long array, long count, long a4, long a5) {
    int elements = (int) count;
    if (elements < 0) {
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
    for (int i = 0; i < count; i++) {
      long at = array + (long) i * size;
      if (i % STRETCH == 0) {
        if (i != 0 && v.mustPreempt()) {
          v.continuation().leave(command, at, count - i);
          return CONTINUE;
        }
        v.guest().requireWritable(at, (long) Math.min(STRETCH, count - i) * size);
      }
      int error = element(v, command, at);
      if (error != 0) {
        return -error;
      }
    }
    return 0;
  }

  /**
   * Carries one element out and stores its status; returns an error number that ends the batch, or
   * 0.
   */
  private int element(Vcpu v, int command, long at) {
    switch (command) {
      case MAP_GRANT_REF -> map(v, at);
      case UNMAP_GRANT_REF -> unmap(v, at);
      case TRANSFER -> v.guest().putShort(at + TRANSFER_STATUS, GrantStatus.GENERAL_ERROR);
      case COPY -> copy(v, at);
      case UNMAP_AND_REPLACE -> unmapAndReplace(v, at);
      case SWAP_GRANT_REF -> swap(v, at);
      case CACHE_FLUSH -> {
        return cacheFlush(v.guest(), at);
      }
      default -> throw new AssertionError("command=" + command);
    }
    return 0;
  }

  private void map(Vcpu v, long at) {
    GuestAccess guest = v.guest();
    GrantMappings mappings = v.domain().grants().mappings();
    int handle =
        mappings.map(
            v,
            slots,
            guest.getLong(at + MAP_HOST),
            guest.getInt(at + MAP_FLAGS),
            guest.getInt(at + MAP_REF),
            guest.getShort(at + MAP_DOM));
    if (handle >= 0) {
      guest.putInt(at + MAP_HANDLE, handle);
      guest.putLong(at + MAP_DEVICE, mappings.deviceAddress(handle));
    }
    guest.putShort(at + MAP_STATUS, Math.min(handle, GrantStatus.OKAY));
  }

  private void unmap(Vcpu v, long at) {
    GuestAccess guest = v.guest();
    long hostAddress = guest.getLong(at + UNMAP_HOST);
    long deviceAddress = guest.getLong(at + UNMAP_DEVICE);
    int handle = guest.getInt(at + UNMAP_HANDLE);
    int status = v.domain().grants().mappings().unmap(v, slots, hostAddress, deviceAddress, handle);
    guest.putShort(at + UNMAP_STATUS, status);
  }

  private static void copy(Vcpu v, long at) {
    GuestAccess guest = v.guest();
    int status =
        GrantCopy.copy(
            v.domain().grants(),
            guest.getLong(at + COPY_SOURCE),
            guest.getShort(at + COPY_SOURCE_DOM),
            guest.getShort(at + COPY_SOURCE_OFFSET),
            guest.getLong(at + COPY_DEST),
            guest.getShort(at + COPY_DEST_DOM),
            guest.getShort(at + COPY_DEST_OFFSET),
            guest.getShort(at + COPY_LENGTH),
            guest.getShort(at + COPY_FLAGS));
    guest.putShort(at + COPY_STATUS, status);
  }

  private void unmapAndReplace(Vcpu v, long at) {
    GuestAccess guest = v.guest();
    long hostAddress = guest.getLong(at + UNMAP_HOST);
    long newAddress = guest.getLong(at + UNMAP_NEW);
    int handle = guest.getInt(at + UNMAP_HANDLE);
    GrantMappings mappings = v.domain().grants().mappings();
    int status = mappings.unmapAndReplace(v, slots, hostAddress, newAddress, handle);
    guest.putShort(at + UNMAP_STATUS, status);
  }

  private static void swap(Vcpu v, long at) {
    GuestAccess guest = v.guest();
    int status = v.domain().grants().swap(guest.getInt(at + SWAP_A), guest.getInt(at + SWAP_B));
    guest.putShort(at + SWAP_STATUS, status);
  }

  // ---- operations on one structure, in the order of the ABI ----

  private static long setupTable(Vcpu v, long at) {
    GuestAccess guest = v.guest();
    Optional<GrantTable> target = v.domain().grants().other(guest.getShort(at + SETUP_DOM));
    int frames = guest.getInt(at + SETUP_FRAMES);
    long list = guest.getLong(at + SETUP_LIST);
    guest.requireWritable(at + SETUP_STATUS, Short.BYTES);
    int status = access(v, target);
    if (status == GrantStatus.OKAY && !mayHave(frames)) {
      status = GrantStatus.GENERAL_ERROR;
    }
    if (status == GrantStatus.OKAY) {
      guest.requireWritable(list, (long) frames * Long.BYTES);
      status = target.get().grow(frames) ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR;
    }
    if (status == GrantStatus.OKAY) {
      for (int i = 0; i < frames; i++) {
        guest.putLong(list + (long) i * Long.BYTES, target.get().frame(i));
      }
    }
    guest.putShort(at + SETUP_STATUS, status);
    return 0;
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

  private static long setVersion(Vcpu v, long at) {
    int version = v.guest().getInt(at);
    if (version != 1 && version != 2) {
      return -Errno.EINVAL;
    }
    if (version == 2) {
      return -Errno.ENOSYS;
    }
    v.guest().putInt(at, 1);
    return 0;
  }

  /** Version 1 has no status frames. */
  private static long getStatusFrames(Vcpu v, long at) {
    v.guest().putShort(at + STATUS_FRAMES_STATUS, GrantStatus.GENERAL_ERROR);
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
    v.guest().putInt(at + VERSION_VERSION, 1);
    return 0;
  }

  /**
   * A domain without devices has no cache to keep coherent: well-formed requests are refused, those
   * for nothing succeed.
   */
  private static int cacheFlush(GuestAccess guest, long at) {
    int offset = guest.getShort(at + FLUSH_OFFSET);
    int length = guest.getShort(at + FLUSH_LENGTH);
    int op = guest.getInt(at + FLUSH_OP);
    int known = CACHE_CLEAN | CACHE_INVALIDATE;
    if (offset + length > FRAME_BYTES || (op & ~(known | CACHE_SOURCE_IS_REF)) != 0) {
      return Errno.EINVAL;
    }
    return length != 0 && (op & known) != 0 ? Errno.EPERM : 0;
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
