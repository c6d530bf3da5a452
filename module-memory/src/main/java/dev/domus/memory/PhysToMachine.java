package dev.domus.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * A domain's physical-to-machine table (P2M): which machine frame stands behind each guest frame
 * number.
 *
 * <p>For a PV guest it is the domain builder's notion of how memory was laid out; the guest keeps
 * its own copy and may move away from it. Two levels of plain arrays, the leaves made on first use:
 * a lookup is two loads.
 *
 * <p>Thread-safe: lookups take no lock and see an entry whole; changes are made under this object's
 * lock. Growing past the limit is refused, so that a guest cannot make the hypervisor's heap grow
 * by a huge frame number.
 */
public final class PhysToMachine {
  /** Result of a lookup: no machine frame. */
  public static final long NONE = -1;

  private static final int LEAF_SHIFT = 12;
  private static final int LEAF_ENTRIES = 1 << LEAF_SHIFT;
  private static final VarHandle ENTRY = MethodHandles.arrayElementVarHandle(int[].class);
  private static final VarHandle LEAF = MethodHandles.arrayElementVarHandle(int[][].class);

  private final long limit;
  private volatile int[][] leaves = new int[1][];

  /**
   * Makes an empty table.
   *
   * @param limit guest frame numbers are below this, at most 2<sup>30</sup>
   */
  public PhysToMachine(long limit) {
    if (limit < 0 || limit > MachineMemory.MAX_FRAMES) {
      throw new IllegalArgumentException("limit out of range: limit=" + limit);
    }
    this.limit = limit;
  }

  /** Guest frame numbers are below this. */
  public long limit() {
    return limit;
  }

  /**
   * The machine frame behind a guest frame number, or {@link #NONE}. Any number may be asked for.
   */
  public long mfn(long pfn) {
    int[][] root = leaves;
    if (Long.compareUnsigned(pfn, (long) root.length << LEAF_SHIFT) >= 0) {
      return NONE;
    }
    int[] leaf = (int[]) LEAF.getAcquire(root, (int) (pfn >>> LEAF_SHIFT));
    return leaf == null ? NONE : (int) ENTRY.getAcquire(leaf, (int) pfn & LEAF_ENTRIES - 1);
  }

  /**
   * Sets the machine frame behind a guest frame number.
   *
   * @return false, and nothing changed, if the number is not below the limit
   */
  public synchronized boolean set(long pfn, long mfn) {
    if (Long.compareUnsigned(pfn, limit) >= 0) {
      return false;
    }
    int index = (int) (pfn >>> LEAF_SHIFT);
    int[][] root = leaves;
    if (index >= root.length) {
      root = Arrays.copyOf(root, Math.max(index + 1, root.length * 2));
      leaves = root;
    }
    int[] leaf = root[index];
    if (leaf == null) {
      leaf = new int[LEAF_ENTRIES];
      Arrays.fill(leaf, (int) NONE);
      LEAF.setRelease(root, index, leaf);
    }
    ENTRY.setRelease(leaf, (int) pfn & LEAF_ENTRIES - 1, (int) mfn);
    return true;
  }

  /** Takes the machine frame behind a guest frame number away, if there is one. */
  public synchronized void clear(long pfn) {
    if (mfn(pfn) != NONE) {
      set(pfn, NONE);
    }
  }
}
