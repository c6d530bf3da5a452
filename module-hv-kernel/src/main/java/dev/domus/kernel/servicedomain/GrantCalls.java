package dev.domus.kernel.servicedomain;

import static dev.domus.kernel.abi.GrantOpLayout.*;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.driver.Registered;
import dev.domus.kernel.grant.GrantMappings;
import dev.domus.kernel.mmu.Physmap;
import dev.domus.kernel.service.CopyBatch;
import dev.domus.kernel.service.GrantCopy;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.Window;
import dev.domus.memory.WindowRevokedException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * grant_table_op of a service domain, as far as others' grants go.
 *
 * <h2>Windows</h2>
 *
 * <p>A mapping has a device part, which is what a window reaches: the frame by its machine address,
 * without an entry in any table. It may have a host part besides, at a guest frame number. Both are
 * unmapped when the window's last user is out, so the grant is in use for as long as anybody can
 * reach its frame.
 *
 * <h2>The end</h2>
 *
 * <p>{@link #close} revokes and closes all windows. The domain can be taken apart when the last of
 * them is out, since its mappings are what keeps the frames: {@code live} counts them, and the
 * domain itself as one.
 */
final class GrantCalls {
  private static final int CHUNK = 256;

  /** Flags of a copy: which of its ends is named by a grant reference. */
  private static final int SOURCE_IS_GRANTED = 1, DEST_IS_GRANTED = 2;

  private final Callers callers;
  private final MemorySegment memory;
  private final CodeFrames codeFrames;
  private final Runnable whenNone;
  private final Set<Mapped> mapped = ConcurrentHashMap.newKeySet();
  private final AtomicLong live = new AtomicLong(1);

  /**
   * Makes the calls of a domain.
   *
   * @param whenNone called once, after {@link #close}, when no mapping is left
   */
  GrantCalls(Callers callers, Runnable whenNone) {
    this.callers = callers;
    this.whenNone = whenNone;
    memory = callers.domain().hypervisor().memory();
    codeFrames = callers.domain().hypervisor().codeFrames();
  }

  // ---- mapping ----

  GrantMapping map(int domid, int[] refs, boolean writable) {
    return map(domid, refs, writable, -1);
  }

  GrantMapping mapAt(int domid, int[] refs, boolean writable, long gfn) {
    if (gfn < 1 || gfn >= Physmap.LIMIT) { // at address 0 nothing could be unmapped
      throw new HypercallException(
          Errno.EINVAL,
          "argument out of range: gfn=%d, should be 1 to %d".formatted(gfn, Physmap.LIMIT - 1));
    }
    return map(domid, refs, writable, gfn);
  }

  private GrantMapping map(int domid, int[] refs, boolean writable, long gfn) {
    if (refs.length == 0) {
      throw new HypercallException(Errno.EINVAL, "no grants to map of domain " + domid);
    }
    Mapped mapping = new Mapped(refs.length, gfn);
    retain(); // before the first is mapped: nothing is taken apart from here on
    boolean done = false;
    try {
      for (int from = 0; from < refs.length; from += CHUNK) {
        map(mapping, domid, refs, from, Math.min(refs.length, from + CHUNK), writable);
      }
      mapping.open(writable);
      done = true;
    } finally {
      if (!done) {
        mapping.release();
      }
    }
    mapped.add(mapping);
    if (callers.isEnding()) { // its windows may have been revoked before this one was there
      mapping.close();
    }
    return mapping;
  }

  private void map(Mapped mapping, int domid, int[] refs, int from, int end, boolean writable) {
    int flags =
        GrantMappings.DEVICE_MAP
            | (mapping.gfn >= 0 ? GrantMappings.HOST_MAP : 0)
            | (writable ? 0 : GrantMappings.READONLY);
    try (Caller call = callers.enter()) {
      for (int i = from; i < end; i++) {
        int at = (i - from) * MAP_SIZE;
        call.putLong(at + MAP_HOST, mapping.hostAddress(i));
        call.putInt(at + MAP_FLAGS, flags).putInt(at + MAP_REF, refs[i]);
        call.putShort(at + MAP_DOM, Callers.domid(domid));
        call.putShort(at + MAP_STATUS, GrantStatus.GENERAL_ERROR); // of those that are not reached
      }
      long result =
          call.call(HypercallNumber.GRANT_TABLE_OP, MAP_GRANT_REF, Caller.at(0), end - from);
      int bad = -1;
      for (int i = from; i < end; i++) {
        int at = (i - from) * MAP_SIZE;
        if (call.getShort(at + MAP_STATUS) == GrantStatus.OKAY) {
          mapping.add(i, call.getInt(at + MAP_HANDLE), call.getLong(at + MAP_DEVICE));
        } else if (bad < 0) {
          bad = i;
        }
      }
      if (bad >= 0 || result != 0) {
        int status = call.getShort(Math.max(0, bad - from) * MAP_SIZE + MAP_STATUS);
        throw new HypercallException(
            errno(status),
            "domain %d cannot map grant %d of domain %d for %s: status=%d"
                .formatted(
                    callers.domid(),
                    refs[Math.max(0, bad)],
                    domid,
                    writable ? "writing" : "reading",
                    status));
      }
    }
  }

  /**
   * Keeps a mapping's grants mapped until what is returned is released.
   *
   * @throws HypercallException EINVAL if it is not a mapping of this domain's, or is closed
   */
  Registered hold(GrantMapping mapping) {
    if (mapping instanceof Mapped mine && mapped.contains(mine)) {
      try {
        Window shared = mine.window.share();
        return new Registered(mine.mfns(), shared.writable(), shared::close);
      } catch (WindowRevokedException closed) {
        // as if it had not been there
      }
    }
    throw new HypercallException(
        Errno.EINVAL, "domain %d has no such mapping, or has closed it".formatted(callers.domid()));
  }

  static int errno(int status) {
    return switch (status) {
      case GrantStatus.BAD_DOMAIN -> Errno.ESRCH;
      case GrantStatus.GENERAL_ERROR, GrantStatus.PERMISSION_DENIED -> Errno.EPERM;
      case GrantStatus.NO_SPACE -> Errno.ENOSPC;
      case GrantStatus.EAGAIN -> Errno.EAGAIN;
      default -> Errno.EINVAL;
    };
  }

  /** Revokes all windows, for the end of the domain. */
  void close() {
    mapped.forEach(Mapped::close);
    released();
  }

  private void retain() {
    if (live.getAndUpdate(count -> count == 0 ? 0 : count + 1) == 0) {
      throw callers.ended();
    }
  }

  private void released() {
    if (live.decrementAndGet() == 0) {
      whenNone.run();
    }
  }

  /** Grants that are mapped as one window. */
  private final class Mapped implements GrantMapping {
    private static final int NONE = -1;

    private final long gfn;
    private final int[] handles;
    private final long[] deviceAddresses;
    private Window window;

    Mapped(int count, long gfn) {
      this.gfn = gfn;
      handles = new int[count];
      deviceAddresses = new long[count];
      Arrays.fill(handles, NONE);
    }

    void add(int index, int handle, long deviceAddress) {
      handles[index] = handle;
      deviceAddresses[index] = deviceAddress;
    }

    /** Where the host part of a grant is, or 0. */
    long hostAddress(int index) {
      return gfn < 0 ? 0 : gfn + index << MachineMemory.FRAME_SHIFT;
    }

    void open(boolean writable) {
      if (handles.length == 1) {
        long mfn = deviceAddresses[0] >>> MachineMemory.FRAME_SHIFT;
        window = Window.of(memory, codeFrames, writable, this::release, mfn);
        return;
      }
      window = Window.of(memory, codeFrames, writable, this::release, mfns());
    }

    long[] mfns() {
      long[] mfns = new long[handles.length];
      for (int i = 0; i < mfns.length; i++) {
        mfns[i] = deviceAddresses[i] >>> MachineMemory.FRAME_SHIFT;
      }
      return mfns;
    }

    @Override
    public Window window() {
      return window;
    }

    @Override
    public void close() {
      if (mapped.remove(this)) {
        window.revoke();
        window.close();
      }
    }

    /** Unmaps all; nobody reaches the frames any more. */
    private void release() {
      for (int from = 0; from < handles.length; from += CHUNK) {
        unmap(from, Math.min(handles.length, from + CHUNK));
      }
      released();
    }

    private void unmap(int from, int end) {
      if (Arrays.stream(handles, from, end).allMatch(handle -> handle == NONE)) {
        return;
      }
      try (Caller call = callers.enterAtEnd()) {
        int count = 0;
        for (int i = from; i < end; i++) {
          if (handles[i] != NONE) {
            int at = count++ * UNMAP_SIZE;
            call.putLong(at + UNMAP_HOST, hostAddress(i));
            call.putLong(at + UNMAP_DEVICE, deviceAddresses[i]);
            call.putInt(at + UNMAP_HANDLE, handles[i]);
          }
        }
        call.call(HypercallNumber.GRANT_TABLE_OP, UNMAP_GRANT_REF, Caller.at(0), count);
      }
    }
  }

  // ---- copies ----

  int[] copy(List<GrantCopy> copies) {
    int[] statuses = new int[copies.size()];
    for (int from = 0; from < statuses.length; from += CHUNK) {
      copy(copies, statuses, from, Math.min(statuses.length, from + CHUNK));
    }
    return statuses;
  }

  private void copy(List<GrantCopy> copies, int[] statuses, int from, int end) {
    try (Caller call = callers.enter()) {
      for (int i = from; i < end; i++) {
        GrantCopy copy = copies.get(i);
        int at = (i - from) * COPY_SIZE;
        int flags = put(call, copy.from(), at + COPY_SOURCE, SOURCE_IS_GRANTED);
        flags |= put(call, copy.to(), at + COPY_DEST, DEST_IS_GRANTED);
        call.putShort(at + COPY_LENGTH, requireInPage(copy.length(), "length"));
        call.putShort(at + COPY_FLAGS, flags);
        call.putShort(at + COPY_STATUS, GrantStatus.GENERAL_ERROR);
      }
      call.call(HypercallNumber.GRANT_TABLE_OP, COPY, Caller.at(0), end - from);
      for (int i = from; i < end; i++) {
        statuses[i] = call.getShort((i - from) * COPY_SIZE + COPY_STATUS);
      }
    }
  }

  /** Writes one end of a copy: u64 name@0, u16 domid@8, u16 offset@10. */
  private static int put(Caller call, GrantCopy.Place place, int at, int refFlag) {
    call.putShort(at + COPY_SOURCE_OFFSET, requireInPage(place.offset(), "offset"));
    return switch (place) {
      case GrantCopy.Granted(int domid, int ref, int offset) -> {
        call.putLong(at, ref & 0xFFFF_FFFFL).putShort(at + COPY_SOURCE_DOM, Callers.domid(domid));
        yield refFlag;
      }
      case GrantCopy.Own(long gfn, int offset) -> {
        call.putLong(at, gfn).putShort(at + COPY_SOURCE_DOM, Domid.SELF);
        yield 0;
      }
    };
  }

  void copy(CopyBatch batch) {
    int size = batch.size();
    for (int from = 0; from < size; from += CHUNK) {
      copy(batch, from, Math.min(size, from + CHUNK));
    }
  }

  private void copy(CopyBatch batch, int from, int end) {
    try (Caller call = callers.enter()) {
      for (int i = from; i < end; i++) {
        int at = (i - from) * COPY_SIZE;
        boolean outward = batch.isOutward(i);
        int granted = at + (outward ? COPY_DEST : COPY_SOURCE);
        int own = at + (outward ? COPY_SOURCE : COPY_DEST);
        call.putLong(granted, batch.ref(i) & 0xFFFF_FFFFL);
        call.putShort(granted + COPY_SOURCE_DOM, Callers.domid(batch.domid(i)));
        call.putShort(
            granted + COPY_SOURCE_OFFSET, requireInPage(batch.grantedOffset(i), "offset"));
        call.putLong(own, batch.gfn(i)).putShort(own + COPY_SOURCE_DOM, Domid.SELF);
        call.putShort(own + COPY_SOURCE_OFFSET, requireInPage(batch.ownOffset(i), "offset"));
        call.putShort(at + COPY_LENGTH, requireInPage(batch.length(i), "length"));
        call.putShort(at + COPY_FLAGS, outward ? DEST_IS_GRANTED : SOURCE_IS_GRANTED);
        call.putShort(at + COPY_STATUS, GrantStatus.GENERAL_ERROR);
      }
      call.call(HypercallNumber.GRANT_TABLE_OP, COPY, Caller.at(0), end - from);
      for (int i = from; i < end; i++) {
        batch.setStatus(i, (short) call.getShort((i - from) * COPY_SIZE + COPY_STATUS));
      }
    }
  }

  private static int requireInPage(int value, String name) {
    if (value < 0 || value > MachineMemory.FRAME_BYTES) {
      throw new HypercallException(
          Errno.EINVAL, "argument out of range: %s=%d, should be 0 to 4096".formatted(name, value));
    }
    return value;
  }

  // ---- questions ----

  int frames(int domid) {
    try (Caller call = callers.enter()) {
      call.putShort(QUERY_DOM, Callers.domid(domid));
      int result = call.call(HypercallNumber.GRANT_TABLE_OP, QUERY_SIZE);
      int status = result < 0 ? GrantStatus.GENERAL_ERROR : call.getShort(QUERY_STATUS);
      if (status != GrantStatus.OKAY) {
        throw callers.refused(-errno(status), "ask about the grant table of domain " + domid);
      }
      return call.getInt(QUERY_FRAMES);
    }
  }

  int version(int domid) {
    try (Caller call = callers.enter()) {
      call.putShort(VERSION_DOM, Callers.domid(domid));
      int result = call.call(HypercallNumber.GRANT_TABLE_OP, GET_VERSION);
      if (result < 0) {
        throw callers.refused(result, "ask about the grant table of domain " + domid);
      }
      return call.getInt(VERSION_VERSION);
    }
  }

  void transfer(long gfn, int domid, int ref) {
    try (Caller call = callers.enter()) {
      call.putLong(TRANSFER_MFN, gfn).putShort(TRANSFER_DOMID, Callers.domid(domid));
      call.putInt(TRANSFER_REF, ref).putShort(TRANSFER_STATUS, GrantStatus.GENERAL_ERROR);
      call.call(HypercallNumber.GRANT_TABLE_OP, TRANSFER);
      int status = call.getShort(TRANSFER_STATUS);
      if (status != GrantStatus.OKAY) {
        throw callers.refused(
            -errno(status),
            "give page 0x%x to domain %d by its grant %d: status=%d"
                .formatted(gfn, domid, ref, status));
      }
    }
  }
}
