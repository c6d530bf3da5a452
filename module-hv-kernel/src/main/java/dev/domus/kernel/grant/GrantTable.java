package dev.domus.kernel.grant;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantEntryLayout;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.mmu.FrameReferences;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The grant table of one domain, as the granting side has it: entries that the guest writes, and
 * for each entry in use a count of users (xen-pv-abi.md, section 12). The mapping side is {@link
 * GrantMappings}.
 *
 * <h2>Pins</h2>
 *
 * <p>Every use of a grant (a mapping's host part, its device part, a copy while it lasts, a window)
 * is a <em>pin</em>, for reading or for writing. The first pin reads domid, permission and frame
 * out of the guest's entry and keeps them in an {@link ActiveGrant}: from then on the guest can
 * write what it likes into the entry without changing or ending what is in use. Flags are claimed
 * against the very word that was checked. A first writable pin on a grant that is pinned for
 * reading claims again, since only then write permission matters. The flag <em>writing</em> is
 * cleared with the last writable pin, <em>reading</em> with the last of all; a guest that sees them
 * clear may use its frame for something else.
 *
 * <h2>References</h2>
 *
 * <p>A pin does not keep the frame. Whoever pins also takes a reference with {@link #getFrame} and
 * gives it back before it unpins: general for reading, writable for writing, so that a frame
 * granted for writing cannot become a page table meanwhile.
 *
 * <h2>Threads and locks</h2>
 *
 * <p>Each active grant has its own monitor, held for one pin or unpin; two are taken by {@link
 * #swap} only, the lower reference first. Growing the table and changing its version take this
 * object's monitor. Nothing else is locked inside an active grant's.
 *
 * <p>A change of version, and the end, must have the entries to themselves without pins taking a
 * lock for that. They raise a flag, and then pass through the monitor of every active grant there
 * is: who is inside has come before, who comes later sees the flag in there, leaves, and waits at
 * this object's monitor. An active grant that is made meanwhile is published before the flag is
 * read and the flag is raised before they are walked, so one of the two sees the other.
 *
 * <h2>Death</h2>
 *
 * <p>{@link #teardown} refuses new pins, waits for those who are inside a monitor, and then gives
 * the shared frames back. Existing pins go on: their users hold references on the granted frames,
 * and unpin this object, which outlives its domain as long as anybody has something of it mapped.
 */
public final class GrantTable {
  /** Most frames of a table. */
  public static final int MAX_FRAMES = SharedEntries.MAX_FRAMES;

  private static final int CHUNK = GrantEntryLayout.PER_FRAME;

  private final int domid;
  private final GrantMachine machine;
  private final FrameReferences references;

  /** Active grants by reference, in chunks that are made when first needed. */
  private final AtomicReferenceArray<AtomicReferenceArray<ActiveGrant>> active =
      new AtomicReferenceArray<>(MAX_FRAMES);

  private final GrantMappings mappings;
  private final GrantCall[] calls;
  private final Optional<GrantTable> itself = Optional.of(this);

  /** What the guest writes; another object in another version. */
  private volatile SharedEntries entries;

  private volatile boolean changing;
  private volatile boolean dying;

  /**
   * Makes a table without frames; the first is allocated when somebody asks for it.
   *
   * @param vcpus how many vCPUs the domain has
   */
  public GrantTable(int domid, int vcpus, GrantMachine machine) {
    this.domid = domid;
    this.machine = machine;
    references = machine.frameReferences();
    entries = new SharedEntriesV1(machine.memory(), new long[0]);
    mappings = new GrantMappings(domid, vcpus, machine);
    calls = new GrantCall[vcpus];
    for (int i = 0; i < vcpus; i++) {
      calls[i] = new GrantCall(this);
    }
  }

  /** The id of the domain that grants. */
  public int domid() {
    return domid;
  }

  /** This table, as one that was found. */
  public Optional<GrantTable> found() {
    return itself;
  }

  /** What the domain has mapped of others' grants, if it is a guest. */
  GrantMappings mappings() {
    return mappings;
  }

  /** What a vCPU of the domain makes its operations with. */
  GrantCall call(int vcpu) {
    return calls[vcpu];
  }

  GrantMachine machine() {
    return machine;
  }

  /** The table of a domain that this one names; DOMID_SELF is this one. */
  Optional<GrantTable> other(int otherDomid) {
    return otherDomid == Domid.SELF || otherDomid == domid ? itself : machine.grants(otherDomid);
  }

  /** Says whether a domain may set up and query this table. */
  boolean controlledBy(int callerDomid) {
    return callerDomid == domid || machine.mayControl(callerDomid, domid);
  }

  // ---- the table ----

  /**
   * Makes the table at least so many frames long, and its statuses with it.
   *
   * @return false if that is more than {@link #MAX_FRAMES}, or memory ran out, or the domain is
   *     going
   */
  public synchronized boolean grow(int frames) {
    if (frames < 0 || frames > MAX_FRAMES || dying) {
      return false;
    }
    while (entries.frames() < frames) {
      if (entries instanceof SharedEntriesV2 v2
          && v2.statusFrames().length < SharedEntriesV2.statusFramesFor(v2.frames() + 1)) {
        long statuses = machine.allocateSpecial(domid);
        if (statuses < 0) {
          return false;
        }
        v2.addStatusFrame(statuses);
      }
      long mfn = machine.allocateSpecial(domid);
      if (mfn < 0) {
        return false;
      }
      entries.add(mfn);
    }
    return true;
  }

  /** How many frames the table has. */
  public int frames() {
    return entries.frames();
  }

  /** How the domain names a part of the table, below {@link #frames}. */
  long frameNumber(int index) {
    return machine.number(entries.frame(index));
  }

  /** The machine frame of a part of the table, below {@link #frames}. */
  public long frame(int index) {
    return entries.frame(index);
  }

  /** The frames that hold the statuses of version 2; none in version 1. Not to be changed. */
  long[] statusFrames() {
    return entries instanceof SharedEntriesV2 v2 ? v2.statusFrames() : new long[0];
  }

  /**
   * Enters a grant on the domain's behalf, as the toolstack does for the rings before the guest
   * runs.
   *
   * @return 0, −EINVAL if the reference is out of range, or −ENOMEM if there is no memory for the
   *     table
   */
  public synchronized int seed(int ref, int grantee, long mfn) {
    if (!grow(1)) {
      return -Errno.ENOMEM;
    }
    if (!entries.has(ref)) {
      return -Errno.EINVAL;
    }
    entries.permit(ref, GrantEntryLayout.PERMIT_ACCESS | grantee << 16, mfn, 0);
    return 0;
  }

  /** Exchanges two entries; returns a grant status. */
  int swap(int refA, int refB) {
    while (true) {
      if (!entries.has(refA) || !entries.has(refB)) {
        return GrantStatus.BAD_GNTREF;
      }
      if (refA == refB) {
        return GrantStatus.OKAY;
      }
      ActiveGrant first = activeGrant(Math.min(refA, refB));
      ActiveGrant second = activeGrant(Math.max(refA, refB));
      synchronized (first) {
        synchronized (second) {
          if (dying || first.inUse() || second.inUse()) {
            return GrantStatus.EAGAIN;
          }
          if (!changing) {
            entries.swap(refA, refB);
            return GrantStatus.OKAY;
          }
        }
      }
      awaitChange();
    }
  }

  // ---- versions ----

  /** The version of the table's entries, 1 or 2. */
  int version() {
    return entries.version();
  }

  /**
   * Changes the version. The first entries survive, those of the toolstack; the others are cleared.
   *
   * @param version 1 or 2
   * @return 0; −EBUSY if another entry is in use or a status frame is mapped; −ERANGE if a
   *     surviving entry cannot be said in the new version; −ENOMEM
   */
  synchronized int changeVersion(int version) {
    if (version == entries.version()) {
      return 0;
    }
    if (dying) {
      return -Errno.EBUSY;
    }
    changing = true;
    try {
      if (passThroughAll()) {
        return -Errno.EBUSY;
      }
      return switch (entries) {
        case SharedEntriesV1 v1 -> toVersion2(v1);
        case SharedEntriesV2 v2 -> toVersion1(v2);
      };
    } finally {
      changing = false;
    }
  }

  private int toVersion2(SharedEntriesV1 old) {
    long[] statuses = new long[SharedEntriesV2.statusFramesFor(old.frames())];
    for (int i = 0; i < statuses.length; i++) {
      statuses[i] = machine.allocateSpecial(domid);
      if (statuses[i] < 0) {
        while (--i >= 0) {
          machine.freeSpecial(statuses[i]);
        }
        return -Errno.ENOMEM;
      }
    }
    replace(old, new SharedEntriesV2(machine.memory(), old.allFrames(), statuses));
    return 0;
  }

  private int toVersion1(SharedEntriesV2 old) {
    for (int ref = 0; ref < survivors(old); ref++) {
      int header = old.header(ref);
      int type = header & GrantEntryLayout.TYPE_MASK;
      boolean part =
          type == GrantEntryLayout.PERMIT_ACCESS && (header & GrantEntryLayout.SUB_PAGE) != 0;
      if (part || type == GrantEntryLayout.TRANSITIVE || old.granted(ref) >>> Integer.SIZE != 0) {
        return -Errno.ERANGE;
      }
    }
    for (long mfn : old.statusFrames()) {
      if (machine.isSpecialMapped(mfn)) { // XSA-255
        return -Errno.EBUSY;
      }
    }
    replace(old, new SharedEntriesV1(machine.memory(), old.allFrames()));
    for (long mfn : old.statusFrames()) {
      machine.freeSpecial(mfn);
    }
    return 0;
  }

  /** Writes the survivors as the new version says them, and clears all else. */
  private void replace(SharedEntries old, SharedEntries fresh) {
    int count = survivors(old);
    int[] headers = new int[count];
    long[] mfns = new long[count];
    for (int ref = 0; ref < count; ref++) {
      int header = old.header(ref);
      boolean permits = (header & GrantEntryLayout.TYPE_MASK) == GrantEntryLayout.PERMIT_ACCESS;
      headers[ref] = permits ? header & ~SharedEntries.useFlags(true) : header;
      mfns[ref] = old.granted(ref);
    }
    for (int i = 0; i < old.frames(); i++) {
      machine.memory().asSlice(old.frame(i) << 12, ActiveGrant.WHOLE).fill((byte) 0);
      machine.codeFrames().written(old.frame(i));
    }
    for (int ref = 0; ref < count; ref++) {
      fresh.permit(ref, headers[ref], mfns[ref], activeGrant(ref).useFlags());
    }
    entries = fresh;
  }

  private static int survivors(SharedEntries all) {
    return Math.min(all.entries(), GrantEntryLayout.RESERVED);
  }

  private void awaitChange() {
    synchronized (this) {
      // Whoever changes all entries has this monitor from before the flag is up until it is down.
    }
  }

  /**
   * Passes through every active grant's monitor; says whether one is in use that does not survive a
   * change of version.
   */
  private boolean passThroughAll() {
    boolean busy = false;
    for (int i = 0; i < active.length(); i++) {
      AtomicReferenceArray<ActiveGrant> chunk = active.get(i);
      for (int j = 0; chunk != null && j < CHUNK; j++) {
        ActiveGrant grant = chunk.get(j);
        if (grant != null) {
          synchronized (grant) {
            boolean survives = i == 0 && j < GrantEntryLayout.RESERVED && !grant.receiving;
            busy |= grant.inUse() && !survives;
          }
        }
      }
    }
    return busy;
  }

  // ---- pins ----

  /**
   * Begins a use of a grant.
   *
   * @return the frame, which the caller has yet to reference, or a negative grant status; of a
   *     grant that passes another on, what {@link #activeGrant} says counts in place of the frame
   */
  long pin(int ref, int grantee, boolean writable, Use use) {
    while (true) {
      if (!entries.has(ref)) {
        return dying ? GrantStatus.BAD_DOMAIN : GrantStatus.BAD_GNTREF;
      }
      ActiveGrant grant = activeGrant(ref);
      synchronized (grant) {
        if (dying) {
          return GrantStatus.BAD_DOMAIN;
        }
        if (!changing) {
          return pinInside(ref, grant, grantee, writable, use);
        }
      }
      awaitChange();
    }
  }

  private long pinInside(int ref, ActiveGrant grant, int grantee, boolean writable, Use use) {
    boolean first = !grant.inUse();
    if (!first && !suits(grant, grantee, use)) {
      return GrantStatus.GENERAL_ERROR;
    }
    if (first || writable && grant.writers == 0) {
      int status = entries.claim(ref, grant, grantee, writable, use);
      if (status != GrantStatus.OKAY) {
        return status;
      }
      grant.grantee = grantee;
      if (first) {
        grant.number = grant.mfn;
        long mfn = machine.frame(grant.number, writable);
        grant.mfn = mfn < 0 ? SharedEntries.NO_FRAME : mfn;
      }
    }
    if (writable) {
      grant.writers++;
    } else {
      grant.readers++;
    }
    return grant.mfn;
  }

  private static boolean suits(ActiveGrant grant, int grantee, Use use) {
    return grant.grantee == grantee
        && !grant.receiving
        && switch (use) {
          case MAP -> !grant.part;
          case COPY -> true;
          case ORIGIN -> !grant.isTransitive();
        };
  }

  /** Ends one use of a grant. */
  void unpin(int ref, boolean writable) {
    ActiveGrant grant = activeGrant(ref);
    while (true) {
      synchronized (grant) {
        if (dying || !changing) {
          unpinInside(ref, grant, writable);
          return;
        }
      }
      awaitChange();
    }
  }

  private void unpinInside(int ref, ActiveGrant grant, boolean writable) {
    int before = grant.useFlags();
    if (writable) {
      grant.writers--;
    } else {
      grant.readers--;
    }
    int clear = before & ~grant.useFlags();
    if ((clear & GrantEntryLayout.WRITING) != 0 && !grant.isTransitive()) {
      machine.written(grant.number);
    }
    if (clear != 0 && !dying) {
      entries.clear(ref, clear);
    }
  }

  /** Takes a reference on a granted frame: it must be the granting domain's own. */
  boolean getFrame(long mfn, boolean writable) {
    return writable ? references.getWritable(domid, mfn) : references.get(domid, mfn);
  }

  /** Gives back what {@link #getFrame} took. */
  void putFrame(long mfn, boolean writable) {
    if (writable) {
      references.putWritable(mfn);
    } else {
      references.put(mfn);
    }
  }

  /**
   * Pins a grant for mapping and references its frame.
   *
   * @return the frame, or a negative grant status
   */
  long acquire(int ref, int grantee, boolean writable) {
    long mfn = pin(ref, grantee, writable, Use.MAP);
    if (mfn >= 0 && !getFrame(mfn, writable)) {
      unpin(ref, writable);
      return dying ? GrantStatus.BAD_DOMAIN : GrantStatus.BAD_PAGE;
    }
    return mfn;
  }

  /** Takes {@link #acquire} back. */
  void release(int ref, long mfn, boolean writable) {
    putFrame(mfn, writable);
    unpin(ref, writable);
  }

  ActiveGrant activeGrant(int ref) {
    AtomicReferenceArray<ActiveGrant> chunk = active.get(ref / CHUNK);
    if (chunk == null) {
      active.compareAndSet(ref / CHUNK, null, new AtomicReferenceArray<>(CHUNK));
      chunk = active.get(ref / CHUNK);
    }
    ActiveGrant grant = chunk.get(ref % CHUNK);
    if (grant == null) {
      chunk.compareAndSet(ref % CHUNK, null, new ActiveGrant());
      grant = chunk.get(ref % CHUNK);
    }
    return grant;
  }

  // ---- transfer, the receiving side ----

  /**
   * Commits an entry that accepts a frame of a domain's to receiving one.
   *
   * @return a grant status
   */
  int beginReceiving(int ref, int senderDomid) {
    while (true) {
      if (!entries.has(ref)) {
        return GrantStatus.GENERAL_ERROR;
      }
      ActiveGrant grant = activeGrant(ref);
      synchronized (grant) {
        if (dying || grant.inUse()) {
          return GrantStatus.GENERAL_ERROR;
        }
        if (!changing) {
          int status = entries.commitTransfer(ref, senderDomid);
          grant.receiving = status == GrantStatus.OKAY;
          return status;
        }
      }
      awaitChange();
    }
  }

  /** The number in an entry that accepts a frame: where a translated domain wants it. */
  long acceptedAt(int ref) {
    return entries.granted(ref);
  }

  /**
   * Says that a frame has come, or that the domain is no more to receive it or has no place for it.
   */
  void endReceiving(int ref, long mfn, boolean arrived) {
    ActiveGrant grant = activeGrant(ref);
    synchronized (grant) { // nobody changes the version of a table that is receiving
      if (!dying && arrived) {
        entries.completeTransfer(ref, machine.number(mfn));
      } else if (!dying) {
        entries.abortTransfer(ref);
      }
      grant.receiving = false;
    }
  }

  // ---- death ----

  /**
   * Ends the domain in both roles, when none of its vCPUs runs any more and before its page tables
   * are taken apart. No new pins are given and the table's frames go back; what others have mapped
   * stays theirs until they unmap it. What the domain itself has mapped is unpinned.
   */
  public void teardown() {
    mappings.teardown();
    synchronized (this) {
      dying = true;
      passThroughAll();
      for (long mfn : statusFrames()) {
        machine.freeSpecial(mfn);
      }
      for (long mfn : entries.removeAll()) {
        machine.freeSpecial(mfn);
      }
    }
  }
}
