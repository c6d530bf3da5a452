package dev.domus.kernel.driver;

import dev.domus.iommu.IoDomain;
import dev.domus.iommu.dma.DmaSpace;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.device.DmaMode;
import dev.domus.kernel.service.DmaBuffer;
import dev.domus.kernel.service.HypercallException;
import dev.domus.memory.MachineMemory;
import java.lang.System.Logger.Level;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Frames that a driver has registered. Who may reach them was settled once, by references that last
 * until the buffer is closed; so a mapping for one request takes none, and what is left to check is
 * that it lies in the buffer, asks for no more than the buffer has, and ends as it began.
 */
final class RegisteredBuffer implements DmaBuffer {
  private static final System.Logger LOG = System.getLogger(RegisteredBuffer.class.getName());
  private static final int PAGE = MachineMemory.FRAME_SHIFT;
  private static final int IN_PAGE = MachineMemory.FRAME_BYTES - 1;
  private static final long NO_LIMIT = Long.MAX_VALUE;

  private final OpenDevice device;
  private final DmaMode mode;
  private final DmaSpace space;
  private final Registered frames;
  private final long[] mfns;
  private final LiveMappings live = new LiveMappings();
  private final Presence presence = new Presence();
  private final AtomicBoolean closed = new AtomicBoolean();

  /** For a scatter list's frames, while nobody uses it. */
  private final AtomicReference<long[]> scratch = new AtomicReference<>(new long[64]);

  RegisteredBuffer(OpenDevice device, Registered frames) {
    this.device = device;
    this.frames = frames;
    mode = device.protection();
    space = device.space();
    mfns = frames.mfns();
  }

  @Override
  public long size() {
    return (long) mfns.length << PAGE;
  }

  @Override
  public boolean writable() {
    return frames.writable();
  }

  private void enter() {
    if (!presence.enter()) {
      throw device.gone();
    }
  }

  // ---- mapping

  @Override
  public long map(long offset, long length, int permissions) {
    check(offset, length);
    checkPermissions(permissions);
    enter();
    try {
      int first = (int) (offset >>> PAGE);
      int pages = pages(offset, length);
      return enter(
          place(mfns, first, pages, permissions), offset & IN_PAGE, length, pages, permissions);
    } finally {
      presence.leave();
    }
  }

  @Override
  public long mapPages(int[] pages, int from, int count, int permissions) {
    Objects.checkFromIndexSize(from, count, pages.length);
    checkPermissions(permissions);
    if (count < 1) {
      throw new HypercallException(Errno.EINVAL, "a mapping has at least one page");
    }
    enter();
    long[] list = scratch.getAndSet(null);
    try {
      if (list == null || list.length < count) {
        list = new long[count];
      }
      for (int i = 0; i < count; i++) {
        int page = pages[from + i];
        check((long) page << PAGE, 1);
        list[i] = mfns[page];
      }
      return enter(place(list, 0, count, permissions), 0, (long) count << PAGE, count, permissions);
    } finally {
      scratch.set(list);
      presence.leave();
    }
  }

  @Override
  public long mapCoherent(long offset, long length, int permissions) {
    check(offset, length);
    checkPermissions(permissions);
    enter();
    try {
      int first = (int) (offset >>> PAGE);
      int pages = pages(offset, length);
      if (device.bypassesIommu()) { // then they are one memory anyway
        return enter(
            place(mfns, first, pages, permissions), offset & IN_PAGE, length, pages, permissions);
      }
      long page = placed(space.map(mfns, first, pages, rights(permissions), NO_LIMIT));
      if (!live.add(page, pages, permissions | LiveMappings.COHERENT)) {
        space.unmap(page, pages);
        throw tooMany();
      }
      return page + (offset & IN_PAGE);
    } finally {
      presence.leave();
    }
  }

  /** Has the mode map frames. */
  private long place(long[] list, int first, int count, int permissions) {
    int rights = rights(permissions);
    long mfn = list[first];
    for (int i = 1; i < count; i++) {
      if (list[first + i] != mfn + i) {
        return placed(mode.map(space, list, first, count, rights, NO_LIMIT));
      }
    }
    return placed(mode.map(space, mfn, count, rights, NO_LIMIT));
  }

  private long placed(long page) {
    if (page == DmaSpace.NO_MEMORY) {
      throw new HypercallException(
          Errno.ENOMEM, "no memory to map for device %s".formatted(device.id()));
    }
    if (page < 0) {
      throw new HypercallException(
          Errno.ENOSPC,
          "no addresses that device %s could reach the pages by, in mode %s"
              .formatted(device.id(), device.mode()));
    }
    return page;
  }

  /** Notes a mapping, and shows the device what there is. */
  private long enter(long page, long inPage, long length, int pages, int permissions) {
    if (!live.add(page, pages, permissions)) {
      mode.unmap(space, page, pages);
      throw tooMany();
    }
    long address = page + inPage;
    if ((permissions & READ) != 0) {
      mode.toDevice(space, address, length);
    }
    return address;
  }

  private HypercallException tooMany() {
    return new HypercallException(
        Errno.ENOSPC,
        "a buffer has at most %d mappings at a time; unmap some: device=%s"
            .formatted(LiveMappings.MOST, device.id()));
  }

  // ---- unmapping

  @Override
  public void unmap(long address, long length) {
    enter();
    try {
      long word = live.remove(page(address), pages(address, length));
      if (word == 0) {
        throw notMapped(address, length);
      }
      unmap(word, address, length);
    } finally {
      presence.leave();
    }
  }

  private void unmap(long word, long address, long length) {
    int flags = LiveMappings.flags(word);
    if ((flags & LiveMappings.COHERENT) != 0) {
      space.unmap(LiveMappings.address(word), LiveMappings.pages(word));
      return;
    }
    if ((flags & WRITE) != 0) {
      mode.fromDevice(space, address, length);
    }
    mode.unmap(space, LiveMappings.address(word), LiveMappings.pages(word));
  }

  @Override
  public void toDevice(long address, long length) {
    synchronise(address, length, READ);
  }

  @Override
  public void fromDevice(long address, long length) {
    synchronise(address, length, WRITE);
  }

  private void synchronise(long address, long length, int permission) {
    enter();
    try {
      long word = live.covering(page(address), pages(address, length));
      if (word == 0) {
        throw notMapped(address, length);
      }
      int flags = LiveMappings.flags(word);
      if ((flags & permission) == 0) {
        throw new HypercallException(
            Errno.EPERM,
            "the device may not %s here: address=0x%x"
                .formatted(permission == READ ? "read" : "write", address));
      }
      if ((flags & LiveMappings.COHERENT) == 0) {
        if (permission == READ) {
          mode.toDevice(space, address, length);
        } else {
          mode.fromDevice(space, address, length);
        }
      }
    } finally {
      presence.leave();
    }
  }

  private HypercallException notMapped(long address, long length) {
    return new HypercallException(
        Errno.EINVAL,
        "not mapped for device %s from this buffer: address=0x%x length=%d"
            .formatted(device.id(), address, length));
  }

  // ---- arguments

  private void check(long offset, long length) {
    if (length < 1 || offset < 0 || offset > size() - length) {
      throw new HypercallException(
          Errno.EINVAL,
          "outside the buffer: offset=%d length=%d size=%d".formatted(offset, length, size()));
    }
  }

  private void checkPermissions(int permissions) {
    if (permissions < READ || permissions > (READ | WRITE)) {
      throw new HypercallException(
          Errno.EINVAL, "permissions are READ, WRITE or both: permissions=" + permissions);
    }
    if ((permissions & WRITE) != 0 && !frames.writable()) {
      throw new HypercallException(
          Errno.EPERM,
          "the buffer is read-only, and no device is let write there: device=" + device.id());
    }
  }

  private static int rights(int permissions) {
    return ((permissions & READ) != 0 ? IoDomain.READ : 0)
        | ((permissions & WRITE) != 0 ? IoDomain.WRITE : 0);
  }

  private static long page(long address) {
    return address & ~(long) IN_PAGE;
  }

  /** Pages of a range; 0 if that is none, which no mapping has. */
  private static int pages(long offset, long length) {
    long pages = (offset & IN_PAGE) + length + IN_PAGE >>> PAGE;
    return length < 1 || pages > Integer.MAX_VALUE ? 0 : (int) pages;
  }

  // ---- the end

  /** No call is under way any more, nor will one be. */
  void shut() {
    presence.shut();
  }

  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    shut();
    boolean unreachable = false;
    try {
      live.drain(word -> {
        long length = LiveMappings.pages(word) << PAGE;
        if ((LiveMappings.flags(word) & LiveMappings.COHERENT) != 0) {
          space.unmap(LiveMappings.address(word), length >>> PAGE);
        } else {
          mode.unmap(space, LiveMappings.address(word), length >>> PAGE);
        }
      });
      mode.settle(space);
      space.flush();
      unreachable = true;
    } catch (RuntimeException fault) { // an access that does not end, or a mode that throws
      LOG.log(
          Level.ERROR,
          "device %s: its driver's memory stays taken, since the device may reach it: %s"
              .formatted(device.id(), fault));
    } finally {
      device.forget(this);
      if (unreachable) {
        frames.release().run();
      }
    }
  }
}
