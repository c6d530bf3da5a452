package dev.domus.kernel.sched;

/**
 * A queue of units that wait, ordered by a key: what most schedulers need first, and the place
 * where most of them would else be slow. A virtual time, a deadline or a debt for a key makes it
 * the queue of a fair, a deadline or a credit scheduler; a constant makes it a FIFO.
 *
 * <h2>Design</h2>
 *
 * <p>A treap (C. Aragon, R. Seidel, <em>Randomized Search Trees</em>, 1989): a binary search tree
 * by key that is a heap by random priorities, so its depth is that of a random tree whatever the
 * order of insertions: about 2 ln n on average. It is linked through the entries, which schedulers
 * extend to their own record of a unit, so nothing is allocated.
 *
 * <p>Each entry knows which pCPUs anybody below it may use, as 64 bits. So the first that may run
 * on a pCPU is found by one descent too, however many before it are pinned elsewhere. A run queue
 * of more than 64 pCPUs folds their numbers into the 64 bits: then a descent may have to turn back,
 * and is still right.
 *
 * <p>Keys are compared by the sign of their difference, so they may wrap; all that are in a queue
 * at once must be within 2<sup>63</sup> of each other. Entries with equal keys stand in the order
 * in which they came.
 *
 * <h2>Cost</h2>
 *
 * <p>{@link #add} and {@link #firstFor} are O(log n), but O(1) where the entry comes last, or where
 * the first one may run on the pCPU: which is what they are mostly asked. {@link #remove} and
 * {@link #next} are O(1) on average, {@link #first}, {@link #last}, {@link #isEmpty} and {@link
 * #size} always. Nothing allocates.
 *
 * <p>Not thread-safe: for use in calls of the kernel into a scheduler, which never overlap.
 *
 * @param <E> the scheduler's record of a unit
 */
public final class UnitQueue<E extends UnitQueue.Entry> {
  /**
   * A unit's place in one queue at a time. A scheduler's record of a unit extends it; the fields
   * are the queue's.
   */
  public abstract static class Entry {
    /** The unit. */
    public final SchedUnit unit;

    private UnitQueue<?> queue;
    private long key;
    private int priority;
    private Entry parent;
    private Entry left;
    private Entry right;
    private long pcpus;
    private long pcpusBelow;

    /** The record of a unit, in no queue. */
    protected Entry(SchedUnit unit) {
      this.unit = unit;
    }

    /** Whether it is in a queue, whichever. */
    public final boolean isQueued() {
      return queue != null;
    }

    /** The key with which it was put into the queue it is in. */
    public final long key() {
      return key;
    }

    /** Adds to {@link #pcpusBelow}; false if that changed nothing. */
    private boolean cover(long more) {
      boolean changed = (pcpusBelow | more) != pcpusBelow;
      pcpusBelow |= more;
      return changed;
    }

    /** Brings {@link #pcpusBelow} up to date; false if that changed nothing. */
    private boolean refresh() {
      long all = pcpus;
      if (left != null) {
        all |= left.pcpusBelow;
      }
      if (right != null) {
        all |= right.pcpusBelow;
      }
      boolean changed = all != pcpusBelow;
      pcpusBelow = all;
      return changed;
    }
  }

  private Entry root;
  private Entry first;
  private Entry last;
  private int size;
  private int random = 0x9E37_79B9;

  /** An empty queue. */
  public UnitQueue() {}

  /** Whether nobody is in it. */
  public boolean isEmpty() {
    return root == null;
  }

  /** How many are in it. */
  public int size() {
    return size;
  }

  /** Whether an entry is in this queue. */
  public boolean contains(E entry) {
    return ((Entry) entry).queue == this;
  }

  /**
   * Puts an entry in. Its unit's affinity is read now: who is adjusted must be taken out and put in
   * again.
   *
   * @param key smaller ones stand before
   * @throws IllegalStateException if it is in a queue
   */
  public void add(E newEntry, long key) {
    Entry entry = newEntry;
    if (entry.queue != null) {
      throw new IllegalStateException("queued already: unit=" + entry.unit.label());
    }
    entry.queue = this;
    entry.key = key;
    entry.priority = nextRandom();
    entry.pcpus = entry.unit.affinity().folded();
    entry.pcpusBelow = entry.pcpus;
    size++;
    if (root == null) {
      root = entry;
      first = entry;
      last = entry;
      return;
    }
    if (key - last.key >= 0) {
      last.right = entry;
      entry.parent = last;
      last = entry;
    } else {
      hang(entry);
    }
    for (Entry at = entry.parent; at != null && at.cover(entry.pcpus); at = at.parent) {}
    while (entry.parent != null && entry.priority > entry.parent.priority) {
      rotateUp(entry);
    }
  }

  /** Finds the place of an entry that is not the last. */
  private void hang(Entry entry) {
    Entry parent = null;
    boolean before = false;
    for (Entry at = root; at != null; at = before ? at.left : at.right) {
      parent = at;
      before = entry.key - at.key < 0; // behind its equals
    }
    entry.parent = parent;
    if (before) {
      parent.left = entry;
    } else {
      parent.right = entry;
    }
    if (before && parent == first) {
      first = entry;
    }
  }

  /**
   * Takes an entry out.
   *
   * @throws IllegalStateException if it is not in this queue
   */
  public void remove(E oldEntry) {
    Entry entry = oldEntry;
    if (entry.queue != this) {
      throw new IllegalStateException("not in this queue: unit=" + entry.unit.label());
    }
    if (entry == first) {
      first = next(oldEntry);
    }
    if (entry == last) {
      last = before(entry);
    }
    while (entry.left != null && entry.right != null) {
      rotateUp(entry.left.priority > entry.right.priority ? entry.left : entry.right);
    }
    Entry child = entry.left != null ? entry.left : entry.right;
    Entry parent = entry.parent;
    replaceChild(parent, entry, child);
    entry.queue = null;
    entry.parent = null;
    entry.left = null;
    entry.right = null;
    size--;
    while (parent != null && parent.refresh()) {
      parent = parent.parent;
    }
  }

  /** The one with the smallest key; null if it is empty (the queue's answers are per decision). */
  public E first() {
    return cast(first);
  }

  /** The one with the largest key, or null. */
  public E last() {
    return cast(last);
  }

  /** The one behind an entry that is in this queue, or null. */
  public E next(E entry) {
    Entry at = ((Entry) entry).right;
    if (at != null) {
      while (at.left != null) {
        at = at.left;
      }
      return cast(at);
    }
    Entry child = entry;
    at = child.parent;
    while (at != null && at.right == child) {
      child = at;
      at = at.parent;
    }
    return cast(at);
  }

  /** The first that may run on a pCPU, or null. */
  public E firstFor(int pcpu) {
    Entry one = first;
    return cast(
        one != null && one.unit.affinity().contains(pcpu) ? one : firstFor(root, pcpu, 1L << pcpu));
  }

  private static Entry firstFor(Entry top, int pcpu, long bit) {
    Entry at = top;
    while (at != null && (at.pcpusBelow & bit) != 0) {
      Entry found = at.left == null ? null : firstFor(at.left, pcpu, bit);
      if (found != null) {
        return found;
      }
      if ((at.pcpus & bit) != 0 && at.unit.affinity().contains(pcpu)) {
        return at;
      }
      at = at.right;
    }
    return null;
  }

  /**
   * The last that another run queue allows, or null: for {@link Scheduler#offer}.
   *
   * @param looks at how many to look at most
   */
  public E lastAllowed(RunQueue taker, int looks) {
    Entry at = last();
    for (int i = 0; at != null && i < looks; i++) {
      if (taker.allows(at.unit)) {
        return cast(at);
      }
      at = before(at);
    }
    return null;
  }

  private static Entry before(Entry entry) {
    Entry at = entry.left;
    if (at != null) {
      while (at.right != null) {
        at = at.right;
      }
      return at;
    }
    Entry child = entry;
    at = entry.parent;
    while (at != null && at.left == child) {
      child = at;
      at = at.parent;
    }
    return at;
  }

  /** Exchanges an entry with its parent, keeping the order. */
  private void rotateUp(Entry entry) {
    Entry parent = entry.parent;
    Entry moved;
    if (parent.left == entry) {
      moved = entry.right;
      parent.left = moved;
      entry.right = parent;
    } else {
      moved = entry.left;
      parent.right = moved;
      entry.left = parent;
    }
    if (moved != null) {
      moved.parent = parent;
    }
    replaceChild(parent.parent, parent, entry);
    parent.parent = entry;
    entry.pcpusBelow = parent.pcpusBelow;
    parent.refresh();
  }

  private void replaceChild(Entry parent, Entry old, Entry child) {
    if (parent == null) {
      root = child;
    } else if (parent.left == old) {
      parent.left = child;
    } else {
      parent.right = child;
    }
    if (child != null) {
      child.parent = parent;
    }
  }

  private int nextRandom() {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    return random;
  }

  @SuppressWarnings("unchecked") // only an E is ever put in
  private E cast(Entry entry) {
    return (E) entry;
  }
}
