package dev.domus.kernel.io;

import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import java.lang.System.Logger.Level;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One address space outside RAM, memory or ports: who has claimed which addresses, and the way of a
 * guest's access to him.
 *
 * <h2>Accesses</h2>
 *
 * A guest reaches I/O memory through a page-table entry like any other, but no engine keeps a
 * translation of it: each access finds the frame anew, asks {@link IoRights} whether the domain may
 * still reach it, and comes here. So nothing has to be flushed when an entry, a right or a claim
 * goes. Where nobody has claimed the address, or its handler throws, reads give all ones and writes
 * are lost, as on a bus on which nobody answers.
 *
 * <h2>Concurrency</h2>
 *
 * Claims are kept sorted in an array that is replaced as a whole, so an access finds its claim
 * without a lock. A claim counts the calls that are in its handler; closing marks it first and then
 * waits until they are out, so a handler's plugin can be unloaded afterwards.
 */
public final class IoSpace {
  private static final System.Logger LOG = System.getLogger(IoSpace.class.getName());

  private final int unitShift;
  private final long firstUnit;
  private final long endUnit;
  private volatile Claim[] claims = new Claim[0];

  /**
   * Makes an address space without claims.
   *
   * @param unitShift claims are made in units of 2<sup>unitShift</sup> addresses: frames, or ports
   * @param firstUnit the first that can be claimed
   * @param endUnit the one after the last
   */
  public IoSpace(int unitShift, long firstUnit, long endUnit) {
    this.unitShift = unitShift;
    this.firstUnit = firstUnit;
    this.endUnit = endUnit;
  }

  /** The first frame or port that can be claimed. */
  public long firstUnit() {
    return firstUnit;
  }

  /** Says whether a range is not empty and wholly of this space. */
  public boolean covers(long first, long count) {
    return count > 0 && first >= firstUnit && first < endUnit && count <= endUnit - first;
  }

  /**
   * Claims a range that {@link #covers}.
   *
   * @return the claim, or null if a part of it is somebody else's
   */
  public synchronized IoClaim claim(long first, long count, IoHandler handler) {
    Claim claim = new Claim(first, count, handler);
    Claim[] old = claims;
    int at = 0;
    while (at < old.length && old[at].first < first) {
      at++;
    }
    boolean taken =
        at > 0 && first - old[at - 1].first < old[at - 1].count
            || at < old.length && old[at].first - first < count;
    if (taken) {
      return null;
    }
    Claim[] all = Arrays.copyOf(old, old.length + 1);
    System.arraycopy(old, at, all, at + 1, old.length - at);
    all[at] = claim;
    claims = all;
    return claim;
  }

  private synchronized void remove(Claim claim) {
    claims = Arrays.stream(claims).filter(each -> each != claim).toArray(Claim[]::new);
  }

  private Claim find(long unit) {
    Claim[] all = claims;
    int low = 0;
    int high = all.length - 1;
    while (low <= high) {
      int middle = low + high >>> 1;
      Claim claim = all[middle];
      if (unit < claim.first) {
        high = middle - 1;
      } else if (unit - claim.first >= claim.count) {
        low = middle + 1;
      } else {
        return claim;
      }
    }
    return null;
  }

  /** Says whether somebody has claimed an address. */
  public boolean isClaimed(long address) {
    return find(address >>> unitShift) != null;
  }

  /**
   * Reads.
   *
   * @param address any; beyond the claims nobody answers
   * @param size 1, 2, 4 or 8 bytes
   * @return the value, zero-extended
   */
  public long load(long address, int size) {
    if ((address & size - 1) != 0) {
      long value = 0;
      for (int i = 0; i < size; i++) {
        value |= load(address + i, 1) << 8 * i;
      }
      return value;
    }
    Claim claim = find(address >>> unitShift);
    long value = claim == null ? -1 : claim.load(address - (claim.first << unitShift), size);
    return value & -1L >>> 64 - 8 * size;
  }

  /**
   * Writes.
   *
   * @param address as for {@link #load}
   * @param size 1, 2, 4 or 8 bytes
   * @param value bits beyond the size are ignored
   */
  public void store(long address, int size, long value) {
    if ((address & size - 1) != 0) {
      for (int i = 0; i < size; i++) {
        store(address + i, 1, value >>> 8 * i);
      }
      return;
    }
    Claim claim = find(address >>> unitShift);
    if (claim != null) {
      claim.store(address - (claim.first << unitShift), size, value & -1L >>> 64 - 8 * size);
    }
  }

  /** A range and its handler. */
  private final class Claim implements IoClaim {
    private static final int CLOSED = 1 << 30;

    private final long first;
    private final long count;
    private final IoHandler handler;

    /** Calls that are in the handler; {@link #CLOSED} is added when no more may enter. */
    private final AtomicInteger inside = new AtomicInteger();

    private boolean reported;

    Claim(long first, long count, IoHandler handler) {
      this.first = first;
      this.count = count;
      this.handler = handler;
    }

    long load(long offset, int size) {
      try {
        return inside.getAndIncrement() < CLOSED ? handler.load(offset, size) : -1;
      } catch (RuntimeException e) {
        report("load", offset, size, e);
        return -1;
      } finally {
        inside.getAndDecrement();
      }
    }

    void store(long offset, int size, long value) {
      try {
        if (inside.getAndIncrement() < CLOSED) {
          handler.store(offset, size, value);
        }
      } catch (RuntimeException e) {
        report("store", offset, size, e);
      } finally {
        inside.getAndDecrement();
      }
    }

    /** Once a claim: a guest that tries for ever fills no log. */
    private synchronized void report(String what, long offset, int size, RuntimeException e) {
      if (!reported) {
        reported = true;
        String where =
            "%s failed: first=0x%x offset=0x%x size=%d".formatted(what, first, offset, size);
        LOG.log(Level.WARNING, "I/O handler's " + where, e);
      }
    }

    @Override
    public long first() {
      return first;
    }

    @Override
    public long count() {
      return count;
    }

    @Override
    public boolean isClosed() {
      return inside.get() >= CLOSED;
    }

    @Override
    public void close() {
      remove(this);
      int seen = inside.get();
      while (seen < CLOSED && !inside.compareAndSet(seen, seen + CLOSED)) {
        seen = inside.get();
      }
      while (inside.get() > CLOSED) {
        Thread.onSpinWait();
      }
    }
  }
}
