package dev.domus.iommu;

import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * The remapping unit of a machine: which requester is attached to which {@link IoDomain}, the ports
 * of the devices, and the parts around them: faults, interrupts, invalidation.
 *
 * <p><b>Attaching</b> writes the requester's context entry; <b>detaching</b> clears it, and every
 * access is then a fault. Instead a requester may be {@link #quarantine put in quarantine}: it then
 * reads and writes one scratch page whatever it addresses, for devices that break, or break the
 * bus, if they are refused. Each of them returns when no access by the old entry is under way.
 *
 * <p><b>Locks.</b> Changes of who has what are under the unit's lock; a port takes it when it has
 * no context cached. Maps, unmaps and accesses take none. While the lock is held accesses that are
 * under way are waited for: whoever holds it waits for devices' copies, and for nothing of theirs
 * that needs the lock.
 *
 * <p>Thread-safe.
 */
public final class IommuUnit implements AutoCloseable {
  /** Domain ids, of which 0 is nobody's: VT-d keeps it for caching mode (6.1). */
  static final int DOMAIN_IDS = 1 << 12;

  /** Levels of a domain of 48-bit addresses, what most hardware has. */
  public static final int USUAL_LEVELS = 4;

  private static final int LEAST_LEVELS = 3;
  private static final int MOST_LEVELS = 5;
  private static final int SCRATCH_ORDER = 3;

  private final MemorySegment memory;
  private final CodeFrames codeFrames;
  private final UnitSettings settings;
  private final TableFrames frames;
  private final SecondLevelFormat format;
  private final SecondLevelWalk walk;
  private final Invalidation invalidation;
  private final RequesterTables requesters;
  private final FaultRecorder faults;
  private final InterruptRemapping interrupts;
  private final InvalidationQueue queue;

  private final Object lock = new Object();
  private final List<DmaPort> ports = new ArrayList<>();
  private final BitSet ids = new BitSet(DOMAIN_IDS);

  /** By requester: the id of its domain, 0 if it has none. */
  private final short[] attached =
      new short[RequesterId.BUSES * RequesterId.DEVICES * RequesterId.FUNCTIONS];

  private IoDomain scratch;

  /** The scratch domain's tables below the topmost, and the scratch page. */
  private long scratchBlock;

  private int passThroughId;

  /**
   * Makes the unit of a machine.
   *
   * @param memory the machine's memory
   * @param frameTable its frame table; the unit's tables are the hypervisor's there
   * @param allocator where the tables come from
   * @param codeFrames told about what devices write
   * @param settings what the unit can do
   * @throws IllegalStateException if there is no memory for its tables
   */
  public IommuUnit(
      MachineMemory memory,
      FrameTable frameTable,
      FrameAllocator allocator,
      CodeFrames codeFrames,
      UnitSettings settings) {
    this.memory = memory.segment();
    this.codeFrames = codeFrames;
    this.settings = settings;
    frames = new TableFrames(frameTable, allocator);
    int bits = 64 - Long.numberOfLeadingZeros(this.memory.byteSize() - 1);
    format = new SecondLevelFormat(bits, settings.snoopControl(), settings.largestLeaf());
    walk = new SecondLevelWalk(this.memory, format);
    invalidation = new Invalidation(walk);
    requesters = new RequesterTables(this.memory, frames, format, settings.passThrough());
    faults = new FaultRecorder(settings.faultRecords());
    interrupts = new InterruptRemapping(this, this.memory, frames, settings.interruptEntries());
    queue = new InvalidationQueue(this, frames, settings.queueOrder());
    ids.set(0);
  }

  static IllegalStateException noMemory(String what) {
    return new IllegalStateException(
        "The machine has no memory for %s of its IOMMU. Give it more, or make the unit before the domains."
            .formatted(what));
  }

  // ---- the parts

  MemorySegment memory() {
    return memory;
  }

  CodeFrames codeFrames() {
    return codeFrames;
  }

  TableFrames frames() {
    return frames;
  }

  SecondLevelWalk walk() {
    return walk;
  }

  Invalidation invalidation() {
    return invalidation;
  }

  RequesterTables requesters() {
    return requesters;
  }

  /** What was refused. */
  public FaultRecorder faults() {
    return faults;
  }

  /** Where messages go. */
  public InterruptRemapping interrupts() {
    return interrupts;
  }

  /** The queue of invalidations, for whoever batches them. */
  public InvalidationQueue queue() {
    return queue;
  }

  /** Number of machine frames in the unit's tables. */
  public long tableFrames() {
    return frames.taken();
  }

  // ---- domains

  /** As {@link #newDomain(int)}, with 48 bits of addresses. */
  public IoDomain newDomain() {
    return newDomain(USUAL_LEVELS);
  }

  /**
   * Makes a domain in which nothing is mapped.
   *
   * @param levels 3, 4 or 5, for 39, 48 or 57 bits of addresses
   * @throws IllegalStateException if there is no memory, or no domain id left
   */
  public IoDomain newDomain(int levels) {
    return newDomain(levels, true);
  }

  /**
   * Makes a domain in which nothing is mapped.
   *
   * @param levels 3, 4 or 5, for 39, 48 or 57 bits of addresses
   * @param joinPages whether pages that have become contiguous are joined to a large one: good
   *     where frames are mapped for long, one by one; not where each mapping ends as it began
   * @throws IllegalStateException if there is no memory, or no domain id left
   */
  public IoDomain newDomain(int levels, boolean joinPages) {
    if (levels < LEAST_LEVELS || levels > MOST_LEVELS) {
      throw new IllegalArgumentException("tables have 3 to 5 levels: levels=" + levels);
    }
    long root = frames.take(0);
    if (root == TableFrames.NONE) {
      throw noMemory("a domain");
    }
    synchronized (lock) {
      int did = ids.nextClearBit(0);
      if (did >= DOMAIN_IDS) {
        frames.give(root, 0);
        throw new IllegalStateException(
            "The IOMMU has no domain id left; close domains that nobody uses: ids=" + DOMAIN_IDS);
      }
      ids.set(did);
      return new IoDomain(
          this, settings, did, levels, joinPages, root << MachineMemory.FRAME_SHIFT);
    }
  }

  void close(IoDomain domain) {
    synchronized (lock) {
      for (int requester = 0; requester < attached.length; requester++) {
        if (attached[requester] == domain.id()) {
          throw new IllegalStateException(
              "Requester %s is attached to the domain; detach it first: domain=%d"
                  .formatted(new RequesterId(requester), domain.id()));
        }
      }
      if (ids.get(domain.id())) {
        invalidation.domain(domain.id());
        domain.free();
        ids.clear(domain.id());
      }
    }
  }

  // ---- requesters

  /**
   * Attaches a requester to a domain, in place of whatever it had.
   *
   * @throws IllegalStateException if there is no memory for its context table; nothing was changed
   */
  public void attach(RequesterId requester, IoDomain domain) {
    synchronized (lock) {
      enter(
          requester.value(),
          RequesterTables.SECOND_LEVEL,
          domain.root(),
          domain.levels(),
          domain.id());
    }
  }

  /** Detaches a requester: all its accesses are faults. */
  public void detach(RequesterId requester) {
    synchronized (lock) {
      leave(requester.value());
    }
  }

  /**
   * Lets a requester through untranslated, to all of the machine's memory.
   *
   * @throws IllegalStateException if the unit has no pass-through
   */
  public void passThrough(RequesterId requester) {
    if (!settings.passThrough()) {
      throw new IllegalStateException(
          "The IOMMU lets nobody through untranslated; make it with pass-through if the device may reach all memory: requester="
              + requester);
    }
    synchronized (lock) {
      if (passThroughId == 0) {
        passThroughId = ids.nextClearBit(0);
        ids.set(passThroughId);
      }
      enter(requester.value(), RequesterTables.PASS_THROUGH, 0, USUAL_LEVELS, passThroughId);
    }
  }

  /** Attaches a requester to the scratch page: it reaches that one, whatever it addresses. */
  public void quarantine(RequesterId requester) {
    synchronized (lock) {
      if (scratch == null) {
        makeScratch();
      }
      enter(
          requester.value(),
          RequesterTables.SECOND_LEVEL,
          scratch.root(),
          scratch.levels(),
          scratch.id());
    }
  }

  /** One table a level, all of whose entries name the next one: every address is the same page. */
  private void makeScratch() {
    long block = frames.take(SCRATCH_ORDER);
    if (block == TableFrames.NONE) {
      throw noMemory("the scratch page");
    }
    IoDomain domain = newDomain(MOST_LEVELS);
    long table = domain.root();
    for (long next = block; next < block + MOST_LEVELS; next++) {
      long entry = next << MachineMemory.FRAME_SHIFT | SecondLevelFormat.RIGHTS;
      for (int i = 0; i < SecondLevelFormat.ENTRIES; i++) {
        memory.set(ValueLayout.JAVA_LONG, table + i * 8L, entry);
      }
      table = next << MachineMemory.FRAME_SHIFT;
    }
    scratchBlock = block;
    scratch = domain;
  }

  private void enter(int requester, int type, long root, int levels, int did) {
    if (!requesters.prepare(requester)) {
      throw noMemory("the context table of requester " + new RequesterId(requester));
    }
    leave(requester);
    requesters.set(requester, type, root, levels, did);
    attached[requester] = (short) did;
  }

  private void leave(int requester) {
    requesters.clear(requester);
    attached[requester] = 0;
    forgetContexts(requester, 0xFFFF);
  }

  /**
   * Invalidates contexts of ports whose requester is the given one in the bits of a mask, and waits
   * for their accesses. Under the lock.
   */
  void forgetContexts(int requester, int mask) {
    synchronized (lock) {
      for (DmaPort port : ports) {
        if (((port.requester().value() ^ requester) & mask) == 0) {
          RequesterContext now = port.context();
          if (now != null && now.status() == DmaPort.OK) {
            port.setContext(null);
            port.announcements().drain(Announcements.ANY_DOMAIN, 0, 0);
            invalidation.removeUser(port);
          }
        }
      }
    }
  }

  // ---- ports

  /** Makes a port for the device with a requester id. There may be several with the same one. */
  public DmaPort newPort(RequesterId requester) {
    DmaPort port = new DmaPort(this, requester.value());
    synchronized (lock) {
      ports.add(port);
    }
    return port;
  }

  /** Fills a port's context cache; what cannot be used is answered and not kept. */
  RequesterContext resolve(DmaPort port, int requester) {
    RequesterContext refusal = requesters.resolve(requester);
    if (refusal.status() != DmaPort.OK && port.context() == null) {
      return refusal; // without the lock, which whoever is refused all the time would be in
    }
    synchronized (lock) {
      RequesterContext now = port.context();
      if (now == null) {
        now = requesters.resolve(requester);
        if (now.status() == DmaPort.OK) {
          invalidation.addUser(now.did(), port);
          port.setContext(now);
        }
      }
      return now;
    }
  }

  void revoke(DmaPort port) {
    synchronized (lock) {
      end(port, RequesterContext.REVOKED);
      ports.remove(port);
    }
  }

  void setBlocked(DmaPort port, boolean blocked) {
    synchronized (lock) {
      RequesterContext now = port.context();
      if (now == RequesterContext.REVOKED) {
        return;
      }
      if (blocked) {
        end(port, RequesterContext.BLOCKED);
      } else if (now == RequesterContext.BLOCKED) {
        port.setContext(null);
      }
    }
  }

  private void end(DmaPort port, RequesterContext with) {
    port.setContext(with);
    port.announcements().drain(Announcements.ANY_DOMAIN, 0, 0);
    invalidation.removeUser(port);
  }

  void drainEveryPort() {
    synchronized (lock) {
      for (DmaPort port : ports) {
        port.announcements().drain(Announcements.ANY_DOMAIN, 0, 0);
      }
    }
  }

  // ---- its end

  /** Revokes all ports and gives back the unit's tables; its domains are closed before. */
  @Override
  public void close() {
    synchronized (lock) {
      for (DmaPort port : List.copyOf(ports)) {
        revoke(port);
      }
      if (scratch != null) {
        frames.give(scratch.root() >>> MachineMemory.FRAME_SHIFT, 0);
        frames.give(scratchBlock, SCRATCH_ORDER);
        scratch = null;
      }
      requesters.free();
      interrupts.free();
      queue.free();
    }
  }
}
