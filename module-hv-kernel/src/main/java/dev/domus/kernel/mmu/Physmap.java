package dev.domus.kernel.mmu;

import dev.domus.memory.CodeFrames;
import dev.domus.memory.Window;
import dev.domus.memory.p2m.P2mEntry;
import dev.domus.memory.p2m.P2mExtents;
import dev.domus.memory.p2m.P2mType;
import dev.domus.memory.p2m.RadixP2m;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The guest-physical memory of a translated domain: what stands behind its guest frame numbers, and
 * the windows by which its Java code reaches it. Whose frames these are, how many there may be, and
 * what refers to them is {@link Mmu}'s and the frame table's, as with any domain.
 *
 * <h2>What may stand behind a number</h2>
 *
 * <ul>
 *   <li><b>RAM</b>: a frame of the domain's. The map has no reference of its own beside the
 *       allocation: who takes the number away gives the frame back, and it is freed with its last
 *       reference, a window's or a grant's among them.
 *   <li><b>A shared frame</b>: shared info or a part of the grant table. It is the hypervisor's to
 *       free; the map only says where the domain sees it, in one place at a time.
 *   <li><b>A granted frame</b> of another domain: the entry owns the reference that the grant's
 *       mapping took, as a page-table entry of a direct-paged guest does.
 * </ul>
 *
 * <p>A number that is taken has to be freed first: nothing is replaced, so nothing is lost.
 *
 * <h2>Translations</h2>
 *
 * <p>What is derived from an entry has references: a grant, a copy and a window look an entry up
 * once and take a reference under the owner's id, which fails if the frame has gone to somebody
 * else in between. So a change of the map has nothing to flush. Windows on a number that is taken
 * away are revoked all the same, as a guest's translation would be: only the frame stays until
 * nobody is in an access. A granted frame is not reached through these windows, but through one
 * that is a use of the grant itself ({@code GrantMapping}), since such a window has to keep the
 * grant, not only the frame.
 *
 * <h2>Logged-dirty</h2>
 *
 * <p>Windows, grants and copies write without a fault. So a page counts as written from when a
 * writable window is opened on it until the window is out, when a copy has gone into it, and when
 * the last writable use of its grant has ended (as on Xen).
 *
 * <h2>Threads</h2>
 *
 * <p>Lookups take no lock. Changes are made under the domain's MMU lock, which is reentrant, and
 * inside it that of the map. Thread-safe.
 */
public final class Physmap {
  /** Guest frame numbers are below this: 64 GiB of guest-physical addresses. */
  public static final long LIMIT = 1L << 24;

  /** No frame. */
  public static final long NONE = -1;

  private final Mmu mmu;
  private final MachineFrames machine;
  private final CodeFrames codeFrames;
  private final RadixP2m map = new RadixP2m(LIMIT);
  private final PhysmapGrants grants = new PhysmapGrants(this);
  private final Set<OwnWindow> windows = ConcurrentHashMap.newKeySet();
  private final Set<HeldFrames> holds = ConcurrentHashMap.newKeySet();

  /** Which numbers have granted frames, and whether for writing. Under the MMU lock. */
  private final Map<Long, Boolean> granted = new HashMap<>();

  private volatile boolean logging;
  private volatile boolean ended;

  /** Makes an empty map over a domain's memory. */
  public Physmap(Mmu mmu, CodeFrames codeFrames) {
    this.mmu = mmu;
    this.codeFrames = codeFrames;
    machine = mmu.machine();
  }

  /** Where grants of others are mapped at numbers of this map. */
  public GrantEntries grantEntries() {
    return grants;
  }

  // ---- lookup ----

  /**
   * The frame of the domain's behind a number, for whoever takes a reference on it next.
   *
   * @param gfn any number
   * @param writable whether it is to be written; it then counts as written
   * @return the frame, or {@link #NONE}
   */
  public long frame(long gfn, boolean writable) {
    long entry = map.lookup(gfn);
    boolean there =
        P2mEntry.is(entry, P2mType.RAM_RW)
            || P2mEntry.is(entry, P2mType.LOGGED_DIRTY)
            || !writable && P2mEntry.is(entry, P2mType.RAM_RO);
    if (!there) {
      return NONE;
    }
    if (writable) {
      written(gfn);
    }
    return P2mEntry.mfn(entry);
  }

  /** The number at which the domain sees one of its frames, or {@link #NONE}. */
  public long number(long mfn) {
    long gfn = machine.m2p().pfn(mfn);
    return mapsTo(gfn, mfn) ? gfn : NONE;
  }

  private boolean mapsTo(long gfn, long mfn) {
    long entry = map.lookup(gfn);
    return P2mEntry.type(entry).hasFrame() && P2mEntry.mfn(entry) == mfn;
  }

  /** Says whether all numbers of a range are free. */
  boolean isFree(long gfn, long count) {
    for (long at = gfn; at < gfn + count; ) {
      long entry = map.lookup(at);
      if (!P2mEntry.is(entry, P2mType.NONE)) {
        return false;
      }
      at = (at >>> P2mEntry.order(entry)) + 1 << P2mEntry.order(entry);
    }
    return true;
  }

  /** The highest number that has a frame; 0, as on Xen, if there is none. */
  public long highest() {
    long[] highest = {0};
    map.forEach(0, LIMIT, (gfn, count, type, mfn) -> highest[0] = gfn + count - 1);
    return highest[0];
  }

  /** Number of the map's tables; some 4 KiB of the Java heap each. */
  public long tables() {
    return map.tables();
  }

  // ---- memory ----

  /**
   * Gives the domain zeroed, consecutive frames for an aligned block of free numbers.
   *
   * @param gfn any number
   * @param order binary logarithm of how many
   * @return whether there were numbers, memory, and room within the domain's limit
   */
  public boolean populate(long gfn, int order) {
    long count = 1L << order;
    if ((gfn & count - 1) != 0 || !map.contains(gfn, count)) {
      return false;
    }
    mmu.lock();
    try {
      if (!isFree(gfn, count)) {
        return false;
      }
      long mfn = mmu.allocate(order);
      if (mfn == MachineFrames.NONE) {
        return false;
      }
      for (long i = 0; i < count; i++) {
        machine.m2p().set(mfn + i, gfn + i);
      }
      map.map(gfn, count, mfn, P2mType.RAM_RW, P2mExtents.NOBODY);
      return true;
    } finally {
      mmu.unlock();
    }
  }

  /**
   * Gives the frame behind a number back.
   *
   * @return whether there was RAM of the domain's
   */
  public boolean giveBack(long gfn) {
    long mfn;
    mmu.lock();
    try {
      long entry = map.lookup(gfn);
      mfn = P2mEntry.mfn(entry);
      boolean ram = P2mEntry.type(entry).hasFrame() && !granted.containsKey(gfn) && !isShared(mfn);
      if (!ram) {
        return false;
      }
      clear(gfn, mfn);
    } finally {
      mmu.unlock();
    }
    mmu.giveBack(mfn);
    return true;
  }

  private boolean isShared(long mfn) {
    return machine.table().isSpecial(mfn);
  }

  /** Under the lock. */
  private void clear(long gfn, long mfn) {
    forget(gfn, mfn);
    for (OwnWindow open : windows) {
      if (open.covers(gfn)) {
        open.end();
      }
    }
  }

  private void forget(long gfn, long mfn) {
    map.set(gfn, 0, P2mType.NONE);
    machine.m2p().clear(mfn);
  }

  /**
   * Lets the domain see a frame that it shares with the hypervisor, at a free number, and no longer
   * where it was seen before (XENMEM_add_to_physmap).
   *
   * @return whether the number is free
   */
  public boolean addShared(long gfn, long mfn) {
    if (!map.contains(gfn, 1)) {
      return false;
    }
    mmu.lock();
    try {
      if (mmu.isDying() || !isFree(gfn, 1)) {
        return false;
      }
      long before = number(mfn);
      if (before != NONE) {
        clear(before, mfn);
      }
      machine.m2p().set(mfn, gfn);
      map.set(gfn, mfn, P2mType.RAM_RW);
      return true;
    } finally {
      mmu.unlock();
    }
  }

  /**
   * Moves RAM to a free number (XENMEM_add_to_physmap, gmfn space).
   *
   * @return whether there is RAM at the one and nothing at the other
   */
  public boolean move(long from, long to) {
    if (!map.contains(to, 1)) {
      return false;
    }
    mmu.lock();
    try {
      long mfn = frame(from, true);
      if (mfn == NONE || isShared(mfn) || granted.containsKey(from) || !isFree(to, 1)) {
        return false;
      }
      clear(from, mfn);
      machine.m2p().set(mfn, to);
      map.set(to, mfn, P2mType.RAM_RW);
      return true;
    } finally {
      mmu.unlock();
    }
  }

  /**
   * Takes a shared frame's number away (XENMEM_remove_from_physmap). RAM is given back by {@link
   * #giveBack}, grants are unmapped; neither can be lost sight of.
   *
   * @return whether a shared frame stood there
   */
  public boolean removeShared(long gfn) {
    mmu.lock();
    try {
      long entry = map.lookup(gfn);
      long mfn = P2mEntry.mfn(entry);
      boolean shared =
          P2mEntry.type(entry).hasFrame() && !granted.containsKey(gfn) && isShared(mfn);
      if (shared) {
        clear(gfn, mfn);
      }
      return shared;
    } finally {
      mmu.unlock();
    }
  }

  // ---- frames that come and go by transfer ----

  /**
   * Takes the number of a frame away that is to leave the domain. Windows on it go on: they hold
   * references, so the frame will not leave.
   *
   * @return the frame, which is still the domain's, or {@link #NONE} if there is no RAM
   */
  long detach(long gfn) {
    mmu.lock();
    try {
      long mfn = frame(gfn, true);
      if (mfn == NONE || isShared(mfn) || granted.containsKey(gfn)) {
        return NONE;
      }
      forget(gfn, mfn);
      return mfn;
    } finally {
      mmu.unlock();
    }
  }

  /**
   * Puts a frame that is or becomes the domain's at a number; false if that is not free. Under the
   * MMU lock. {@link #arrived} says when the frame may be known by it.
   */
  boolean attach(long gfn, long mfn) {
    if (!map.contains(gfn, 1) || !isFree(gfn, 1)) {
      return false;
    }
    map.set(gfn, mfn, P2mType.RAM_RW);
    return true;
  }

  void arrived(long gfn, long mfn) {
    machine.m2p().set(mfn, gfn);
  }

  // ---- granted frames, for PhysmapGrants ----

  /** Maps a granted frame at a free number; the entry owns the caller's reference then. */
  boolean addGranted(long gfn, long mfn, boolean writable) {
    if (!map.contains(gfn, 1)) {
      return false;
    }
    mmu.lock();
    try {
      if (mmu.isDying() || !isFree(gfn, 1)) {
        return false;
      }
      map.set(gfn, mfn, writable ? P2mType.RAM_RW : P2mType.RAM_RO);
      granted.put(gfn, writable);
      return true;
    } finally {
      mmu.unlock();
    }
  }

  /** Removes a granted frame; the reference is the caller's again. */
  boolean removeGranted(long gfn, long mfn, boolean writable) {
    mmu.lock();
    try {
      boolean found =
          granted.getOrDefault(gfn, !writable) == writable && P2mEntry.mfn(map.lookup(gfn)) == mfn;
      if (found) {
        granted.remove(gfn);
        map.set(gfn, 0, P2mType.NONE);
      }
      return found;
    } finally {
      mmu.unlock();
    }
  }

  // ---- windows ----

  /**
   * Opens a window on the domain's own memory. It holds a reference on each frame, and a writable
   * one where it may write, until its last user is out.
   *
   * @param gfn any number
   * @param pages how many, at least 1
   * @return the window, or nothing if not all of these are the domain's own memory, or one is not
   *     writable
   */
  public Optional<Window> window(long gfn, int pages, boolean writable) {
    if (pages < 1 || !map.contains(gfn, pages)) {
      return Optional.empty();
    }
    OwnWindow opened = new OwnWindow(gfn, pages, writable);
    mmu.lock(); // against numbers that are taken away between the lookup and the registration
    try {
      if (ended || !opened.take()) {
        return Optional.empty();
      }
      windows.add(opened);
      return Optional.of(opened.open());
    } finally {
      mmu.unlock();
    }
  }

  /**
   * Holds frames of the domain's own memory, for its devices; arguments and result as for {@link
   * #window}.
   */
  public Optional<HeldFrames> hold(long gfn, int pages, boolean writable) {
    if (pages < 1 || !map.contains(gfn, pages)) {
      return Optional.empty();
    }
    HeldFrames held = new HeldFrames(this, machine, holds, gfn, pages, writable);
    mmu.lock();
    try {
      return !ended && held.take(mmu.domid()) ? Optional.of(held) : Optional.empty();
    } finally {
      mmu.unlock();
    }
  }

  /** A window on a range of numbers, as long as somebody uses it. */
  private final class OwnWindow {
    private final long gfn;
    private final long[] mfns;
    private final boolean writable;
    private Window window;

    OwnWindow(long gfn, int pages, boolean writable) {
      this.gfn = gfn;
      this.writable = writable;
      mfns = new long[pages];
    }

    boolean covers(long number) {
      return number >= gfn && number < gfn + mfns.length;
    }

    boolean take() {
      for (int i = 0; i < mfns.length; i++) {
        long mfn = frame(gfn + i, writable);
        boolean taken =
            mfn != NONE
                && (writable
                    ? machine.getWritable(mmu.domid(), mfn)
                    : machine.get(mmu.domid(), mfn));
        if (!taken) {
          put(i);
          return false;
        }
        mfns[i] = mfn;
      }
      return true;
    }

    Window open() {
      window = Window.of(machine.memory(), codeFrames, writable, this::release, mfns.clone());
      return window;
    }

    /** Revokes it, and gives the frames back when nobody is in an access any more. */
    void end() {
      window.revoke();
      window.close();
    }

    private void release() {
      windows.remove(this);
      if (writable) {
        markDirty();
      }
      put(mfns.length);
    }

    void markDirty() {
      if (logging) {
        map.markDirty(gfn, mfns.length);
      }
    }

    private void put(int count) {
      for (int i = 0; i < count; i++) {
        if (writable) {
          machine.putWritable(mfns[i]);
        } else {
          machine.put(mfns[i]);
        }
      }
    }
  }

  /** Names each frame that is held by a window or otherwise, as often as it is; for tests. */
  void forEachHeld(HeldFrame taker) {
    for (OwnWindow open : windows) {
      for (long mfn : open.mfns) {
        taker.held(mfn, open.writable);
      }
    }
    holds.forEach(held -> held.forEach(taker));
  }

  /** Told of a frame that a window holds. */
  @FunctionalInterface
  interface HeldFrame {
    /** Called once a hold. */
    void held(long mfn, boolean writable);
  }

  // ---- logged-dirty ----

  /** Turns dirty logging on, with nothing noted, or off. */
  public void setLogging(boolean on) {
    mmu.lock();
    try {
      map.setLogging(on);
      logging = on;
    } finally {
      mmu.unlock();
    }
  }

  /** Says whether it is on. */
  public boolean isLogging() {
    return logging;
  }

  /** Notes that a page was written, by whatever way. */
  public void written(long gfn) {
    if (logging && map.contains(gfn, 1)) {
      map.markDirty(gfn, 1);
    }
  }

  /**
   * Takes the notes of a range: which pages were written since they were last taken. Pages under
   * writable windows are among them each time.
   *
   * @param bitmap gets bit {@code i} for number {@code gfn + i}
   * @return how many, or −1 if the range is not below {@link #LIMIT} or logging is off
   */
  public long collectDirty(long gfn, long count, long[] bitmap) {
    mmu.lock();
    try {
      if (!logging || !map.contains(gfn, count)) {
        return -1;
      }
      for (OwnWindow open : windows) {
        if (open.writable) {
          open.markDirty();
        }
      }
      holds.forEach(HeldFrames::markDirty);
      return map.collectDirty(gfn, count, bitmap);
    } finally {
      mmu.unlock();
    }
  }

  // ---- the end ----

  /** Revokes all windows; no more are opened. */
  public void endWindows() {
    mmu.lock();
    try {
      ended = true;
      for (OwnWindow open : windows) {
        open.end();
      }
    } finally {
      mmu.unlock();
    }
  }

  /**
   * Lets go of granted frames, whose grants have been unpinned, and of windows. The domain's own
   * frames go with its memory.
   */
  public void relinquish() {
    endWindows();
    mmu.lock();
    try {
      granted.forEach(this::putGranted);
      granted.clear();
    } finally {
      mmu.unlock();
    }
  }

  private void putGranted(long gfn, boolean writable) {
    long mfn = P2mEntry.mfn(map.lookup(gfn));
    map.set(gfn, 0, P2mType.NONE);
    if (writable) {
      machine.putWritable(mfn);
    } else {
      machine.put(mfn);
    }
  }
}
