package dev.domus.kernel.passthrough;

import dev.domus.iommu.IoDomain;
import dev.domus.kernel.mmu.DeviceReach;
import dev.domus.memory.MachineMemory;
import java.lang.System.Logger.Level;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What a PV domain's devices reach, in I/O page tables: addresses are machine addresses, pages are
 * 4 KiB and stay so, because a large page that has to be split takes memory, and taking a frame
 * from a device must not fail.
 *
 * <p>Whoever frees a frame may have looked up the domain's devices just before the last of them
 * went. He comes here all the same, so the tables are given back when nobody is inside any more,
 * and who comes later finds them closed.
 */
final class DeviceMemory implements DeviceReach {
  private static final System.Logger LOG = System.getLogger(DeviceMemory.class.getName());
  private static final VarHandle INSIDE;

  static {
    try {
      INSIDE = MethodHandles.lookup().findVarHandle(DeviceMemory.class, "inside", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final IoDomain space;
  private volatile int inside;
  private volatile boolean closed;

  /** Reaches nothing. */
  DeviceMemory(IoDomain space) {
    this.space = space;
  }

  /** The tables. */
  IoDomain space() {
    return space;
  }

  @Override
  public boolean open(long mfn, boolean writable) {
    INSIDE.getAndAdd(this, 1);
    try {
      int rights = writable ? IoDomain.READ | IoDomain.WRITE : IoDomain.READ;
      return closed
          || space.map(mfn << MachineMemory.FRAME_SHIFT, mfn, 1, rights) != IoDomain.NO_MEMORY;
    } finally {
      INSIDE.getAndAdd(this, -1);
    }
  }

  @Override
  public void withdraw(long mfn) {
    INSIDE.getAndAdd(this, 1);
    try {
      while (!closed && !isWithdrawn(mfn)) {
        Thread.onSpinWait();
      }
    } finally {
      INSIDE.getAndAdd(this, -1);
    }
  }

  /** False if an access to it does not end. The frame is kept from other uses until it does. */
  private boolean isWithdrawn(long mfn) {
    try {
      space.unmap(mfn << MachineMemory.FRAME_SHIFT, 1);
      return true;
    } catch (IllegalStateException accessDoesNotEnd) {
      LOG.log(Level.ERROR, accessDoesNotEnd.getMessage());
      return false;
    }
  }

  /** Returns when no access is under way; no device is attached any more, so none begins. */
  void settle() {
    boolean settled = false;
    while (!settled) {
      try {
        space.flush();
        settled = true;
      } catch (IllegalStateException accessDoesNotEnd) {
        LOG.log(Level.ERROR, accessDoesNotEnd.getMessage());
      }
    }
  }

  /** Gives the tables back, after {@link #settle}. */
  void close() {
    closed = true;
    while (inside != 0) {
      Thread.yield(); // he may be waiting for this very processor
    }
    space.close();
  }
}
