package dev.domus.kernel.mmu;

import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.PageWalk;
import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;

/**
 * A vCPU that is only a TLB: it keeps every translation that it ever made, and every table that it
 * went through, until it is told to forget them. So what it holds is the worst that a real
 * processor may hold.
 */
final class TestVcpu implements AddressSpaces {
  record Translation(long va, long mfn, boolean writable) {}

  private final TestDomain domain;
  private final int id;
  private long kernelTable = -1;
  private long userTable = -1;
  private long cr3 = -1;

  final List<Translation> translations = new ArrayList<>();

  /** Tables that a walk may still be in, and as what they were in use then. */
  final Map<Long, Integer> tables = new HashMap<>();

  int flushes;

  /** Whether it has to leave its pCPU; asked at every point where a long call may be preempted. */
  volatile BooleanSupplier preempt = () -> false;

  final TableWork work = new TableWork(() -> preempt.getAsBoolean());

  TestVcpu(TestDomain domain, int id) {
    this.domain = domain;
    this.id = id;
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
  public void setKernelTable(long mfn) {
    kernelTable = mfn;
    load(mfn);
  }

  @Override
  public void setUserTable(long mfn) {
    userTable = mfn;
  }

  private void load(long mfn) {
    cr3 = mfn;
    flush();
  }

  synchronized void flush() {
    translations.clear();
    tables.clear();
    flushes++;
  }

  /**
   * Accesses an address as the guest's code would; returns the machine address or −1 for a fault.
   */
  synchronized long access(long va, boolean write) {
    if (cr3 < 0) {
      return -1;
    }
    int access = PageWalk.USER | (write ? PageWalk.WRITE : 0);
    long translation = PageWalk.walk(domain.machine.segment, cr3 << 12, va, access);
    if (translation < 0) {
      return -1;
    }
    FrameTable frames = domain.machine.frames;
    long table = cr3;
    for (int level = 4; level >= 1; level--) {
      if (frames.owner(table) == domain.domid) {
        tables.put(table, frames.type(table));
      }
      table = Pte.mfn(domain.machine.entry(table, Pte.index(va, level)));
    }
    long mfn = PageWalk.frameAddress(translation) >>> 12;
    translations.add(new Translation(va & -4096, mfn, (translation & PageWalk.MAY_WRITE) != 0));
    return (mfn << 12) + (va & 4095);
  }

  /**
   * Translates while others change the tables: each entry is read once, and all of it happens under
   * the lock that a flush needs, as a real walk does.
   */
  synchronized void observe(long va) {
    long table = cr3;
    boolean writable = true;
    for (int level = 4; level >= 1 && table >= 0; level--) {
      if (domain.machine.frames.owner(table) == domain.domid) {
        tables.put(table, domain.machine.frames.type(table));
      }
      long entry = domain.machine.entry(table, Pte.index(va, level));
      if ((entry & Pte.P) == 0) {
        return;
      }
      writable &= (entry & Pte.W) != 0;
      table = Pte.mfn(entry);
    }
    if (table >= 0) {
      translations.add(new Translation(va & -4096, table, writable));
    }
  }

  /**
   * What must hold at any moment for translations that have not been flushed. Returns a complaint
   * or null.
   */
  synchronized String complaint() {
    FrameTable frames = domain.machine.frames;
    for (Translation t : translations) {
      boolean foreign = frames.owner(t.mfn) != domain.domid;
      if (foreign && frames.references(t.mfn) == 0) {
        return "a TLB has a frame that nothing holds: " + frames.describe(t.mfn);
      }
      int type = frames.type(t.mfn);
      if (t.writable && type != FrameTable.WRITABLE && frames.isInUseAs(t.mfn, type)) {
        return "a TLB can write a table: " + frames.describe(t.mfn);
      }
    }
    for (Map.Entry<Long, Integer> e : tables.entrySet()) {
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
}
