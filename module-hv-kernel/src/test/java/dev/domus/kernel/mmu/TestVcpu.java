package dev.domus.kernel.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.kernel.engine.VcpuEngine;
import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.PageWalk;
import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * A vCPU that is only a TLB: it keeps every translation that it ever made, and every table that it
 * went through, under whatever base, until it is told to forget them. So what it holds is the worst
 * that a real processor may hold; and what it keeps when it loads a base has to be true.
 */
final class TestVcpu implements AddressSpaces {
  record Translation(long va, long mfn, boolean writable) {}

  /** What has been found under one base. */
  private static final class Space {
    final List<Translation> translations = new ArrayList<>();

    /** Tables that a walk may still be in, and as what they were in use then. */
    final Map<Long, Integer> tables = new HashMap<>();
  }

  private final TestDomain domain;
  private final int id;
  private final Map<Long, Space> spaces = new HashMap<>();
  private final Tlb engine = new Tlb();
  private PendingInvalidations pending;
  private long kernelTable = -1;
  private long userTable = -1;

  /** Whether accesses are the guest user's, if it has a table. */
  boolean userMode;

  /** How often everything was forgotten. */
  int flushes;

  /** How often a base was loaded and nothing had to be forgotten. */
  int kept;

  /** Whether it has to leave its pCPU; asked at every point where a long call may be preempted. */
  volatile BooleanSupplier preempt = () -> false;

  final TableWork work = new TableWork(() -> preempt.getAsBoolean());

  TestVcpu(TestDomain domain, int id) {
    this.domain = domain;
    this.id = id;
  }

  void attach(Mmu mmu) {
    pending = new PendingInvalidations(mmu);
  }

  @Override
  public int id() {
    return id;
  }

  @Override
  public long kernelTable() {
    return kernelTable;
  }

  @Override
  public long userTable() {
    return userTable;
  }

  @Override
  public synchronized void setKernelTable(long mfn) {
    pending.loaded(mfn == kernelTable);
    kernelTable = mfn;
    settle();
  }

  @Override
  public synchronized void setUserTable(long mfn) {
    pending.loaded(false);
    userTable = mfn;
    settle();
  }

  /** What outlives a load is what a walk would find now, for whatever base. */
  private void settle() {
    int before = flushes;
    pending.settleLoads(engine);
    if (flushes == before) {
      kept += spaces.isEmpty() ? 0 : 1;
      spaces.forEach((root, space) -> {
        for (Translation t : space.translations) {
          assertEquals(t, walk(root, t.va, new HashMap<>()), "outlived a load");
        }
      });
    }
  }

  synchronized void invalidate(long invalidation) {
    pending.add(invalidation);
    pending.carryOut(engine);
  }

  /** What the vCPU can use without loading a base. */
  synchronized List<Translation> translations() {
    return usable().flatMap(space -> space.translations.stream()).toList();
  }

  /** Tables that a walk which the vCPU can go on with may still be in, and as what. */
  synchronized Map<Long, Integer> tables() {
    Map<Long, Integer> tables = new HashMap<>();
    usable().forEach(space -> tables.putAll(space.tables));
    return tables;
  }

  private Stream<Space> usable() {
    return Stream.of(kernelTable, userTable).distinct().map(spaces::get).filter(Objects::nonNull);
  }

  private long base() {
    return userMode && userTable >= 0 ? userTable : kernelTable;
  }

  /**
   * Accesses an address as the guest's code would; returns the machine address or −1 for a fault.
   */
  synchronized long access(long va, boolean write) {
    long root = base();
    if (root < 0) {
      return -1;
    }
    int access = PageWalk.USER | (write ? PageWalk.WRITE : 0);
    long translation = PageWalk.walk(domain.machine.segment, root << 12, va, access);
    if (translation < 0) {
      return -1;
    }
    observe(va);
    return PageWalk.frameAddress(translation) | va & 4095;
  }

  /**
   * Translates while others change the tables: each entry is read once, and all of it happens under
   * the lock that a flush needs, as a real walk does.
   */
  synchronized void observe(long va) {
    long root = base();
    if (root >= 0) {
      Space space = spaces.computeIfAbsent(root, r -> new Space());
      Translation found = walk(root, va, space.tables);
      if (found != null) {
        space.translations.add(found);
      }
    }
  }

  /** What an address is now; null if it is not present. */
  private Translation walk(long root, long va, Map<Long, Integer> passed) {
    long table = root;
    boolean writable = true;
    for (int level = 4; level >= 1; level--) {
      if (domain.machine.frames.owner(table) == domain.domid) {
        passed.put(table, domain.machine.frames.type(table));
      }
      long entry = domain.machine.entry(table, Pte.index(va, level));
      if ((entry & Pte.P) == 0) {
        return null;
      }
      writable &= (entry & Pte.W) != 0;
      table = Pte.mfn(entry);
    }
    return new Translation(va & -4096, table, writable);
  }

  /**
   * What must hold at any moment for translations that have not been flushed. Returns a complaint
   * or null.
   */
  synchronized String complaint() {
    FrameTable frames = domain.machine.frames;
    for (Translation t : translations()) {
      boolean foreign = frames.owner(t.mfn) != domain.domid;
      if (foreign && frames.references(t.mfn) == 0) {
        return "a TLB has a frame that nothing holds: " + frames.describe(t.mfn);
      }
      int type = frames.type(t.mfn);
      if (t.writable && type != FrameTable.WRITABLE && frames.isInUseAs(t.mfn, type)) {
        return "a TLB can write a table: " + frames.describe(t.mfn);
      }
    }
    for (Map.Entry<Long, Integer> e : tables().entrySet()) {
      boolean still =
          frames.owner(e.getKey()) == domain.domid
              && frames.type(e.getKey()) == e.getValue()
              && frames.typeCount(e.getKey()) > 0;
      if (!still) {
        return "a walk may still be in L" + e.getValue() + ": " + frames.describe(e.getKey());
      }
    }
    return null;
  }

  /** Forgets exactly what it is told to. */
  private final class Tlb implements VcpuEngine {
    @Override
    public void invalidate(long invalidation) {
      switch (Invalidation.kind(invalidation)) {
        case ALL -> {
          spaces.clear();
          flushes++;
        }
        case PAGES -> {
          long from = Invalidation.va(invalidation);
          long bytes = (long) Invalidation.pages(invalidation) << 12;
          spaces
              .values()
              .forEach(s -> s.translations.removeIf(t -> t.va - from >= 0 && t.va - from < bytes));
        }
        case ADDRESS_SPACE -> spaces.remove(Invalidation.cr3(invalidation) >>> 12);
      }
    }

    @Override
    public Exit run(long budget) {
      throw new AssertionError("runs no guest");
    }

    @Override
    public Exit stepOver(long va, long mfn) {
      throw new AssertionError("runs no guest");
    }

    @Override
    public void kick() {}

    @Override
    public void close() {}
  }
}
