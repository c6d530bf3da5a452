package dev.domus.kernel.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Compares the whole frame table with what page tables, pins, base pointers, descriptor tables and
 * other holders refer to, and checks what isolation rests on: nothing is writable and a table,
 * nothing is mapped that the mapper neither owns nor was granted, no TLB knows more than the tables
 * allow. It shares no code with what it checks.
 */
final class InvariantScanner {
  /**
   * A reference that somebody outside the MMU holds: a grant that is not (or no longer) in a page
   * table, a window.
   */
  record Holder(long mfn, boolean writable) {}

  /** A domain, and what its vCPUs run on. */
  record Space(int domid, Mmu mmu, AddressSpaces[] vcpus) {}

  private final MachineFrames machine;
  private final Supplier<List<Space>> domains;
  private final FrameTable frames;
  private final int count;
  private final long[] references;
  private final long[] types;
  private final int[] linear;
  private final boolean[][] mapped;

  /** I/O frames that a domain could map at some time. */
  private final Map<Integer, Set<Long>> io = new HashMap<>();

  /** A domain that may map everybody's frames; −1 for none. */
  private int privileged = -1;

  private final Set<Integer> oncePrivileged = new HashSet<>();

  /** Frames that a domain may map though it does not own them. */
  final List<long[]> grants = new ArrayList<>();

  final List<Holder> holders = new ArrayList<>();

  /** How many tables the last scan has found PARTIAL. */
  int partialTables;

  InvariantScanner(TestMachine m) {
    this(m.machine, () -> m.domains.stream().map(d -> new Space(d.domid, d.mmu, d.vcpus)).toList());
  }

  /**
   * Makes a scanner of any machine; none of its vCPUs may run while it scans.
   *
   * @param domains those that have frames
   */
  InvariantScanner(MachineFrames machine, Supplier<List<Space>> domains) {
    this.machine = machine;
    this.domains = domains;
    frames = machine.table();
    count = (int) frames.frames();
    references = new long[count];
    types = new long[count];
    linear = new int[count];
    mapped = new boolean[16][count];
  }

  private long entry(long mfn, int index) {
    return machine.memory().get(ValueLayout.JAVA_LONG, (mfn << 12) + 8L * index);
  }

  void grant(int mapper, long mfn) {
    grants.add(new long[] {mapper, mfn});
  }

  /**
   * A domain may map an I/O frame from now on; what it has mapped stays when it may not any more.
   */
  void permitIo(int domid, long mfn) {
    io.computeIfAbsent(domid, d -> new HashSet<>()).add(mfn);
  }

  InvariantScanner privileged(int domid) {
    privileged = domid;
    oncePrivileged.add(domid);
    return this;
  }

  /** A domain that is gone has been privileged: others may still have mapped what was its own. */
  void oncePrivileged(int domid) {
    oncePrivileged.add(domid);
  }

  boolean isGranted(int mapper, long mfn) {
    return grants.stream().anyMatch(g -> g[0] == mapper && g[1] == mfn);
  }

  void scan() {
    java.util.Arrays.fill(references, 0);
    java.util.Arrays.fill(types, 0);
    java.util.Arrays.fill(linear, 0);
    for (boolean[] each : mapped) {
      java.util.Arrays.fill(each, false);
    }
    partialTables = 0;
    long owned = 0;
    for (int mfn = 1; mfn < count; mfn++) {
      int owner = frames.owner(mfn);
      if (owner != FrameTable.NOBODY && owner != FrameTable.HYPERVISOR) {
        owned++;
      }
      if (frames.isAllocated(mfn)) {
        references[mfn]++;
        if (frames.isSpecial(mfn)) {
          types[mfn]++;
        }
      }
      if (frames.isPinned(mfn)) {
        hold(mfn);
      }
      int type = frames.type(mfn);
      if (frames.isPartial(mfn)) {
        assertTrue(type >= FrameTable.L2 && type <= FrameTable.L4, at(mfn, "partial"));
        assertEquals(1, frames.typeCount(mfn), at(mfn, "used though partial"));
        hold(mfn); // the state itself
        partialTables++;
        table(mfn, type, owner, frames.progress(mfn));
      } else if (type >= FrameTable.L1 && type <= FrameTable.L4 && frames.typeCount(mfn) > 0) {
        assertTrue(frames.isInUseAs(mfn, type), at(mfn, "busy for ever"));
        table(mfn, type, owner, 512);
      }
      if (type == FrameTable.SEGDESC && frames.typeCount(mfn) > 0) {
        descriptors(mfn);
      }
    }
    for (Space d : domains.get()) {
      domain(d);
    }
    for (Holder holder : holders) {
      references[(int) holder.mfn]++;
      types[(int) holder.mfn] += holder.writable ? 1 : 0;
    }
    compare();
    assertEquals(
        machine.allocator().managedFrames(),
        machine.allocator().freeFrames() + owned + hypervisorFrames(),
        "every frame is free or somebody's");
    for (Space d : domains.get()) {
      for (AddressSpaces v : d.vcpus) {
        if (v instanceof TestVcpu known) {
          tlb(d, known);
        }
      }
    }
  }

  private long hypervisorFrames() {
    long owned = 0;
    for (long mfn = machine.m2p().endFrame(); mfn < count; mfn++) {
      owned += frames.owner(mfn) == FrameTable.HYPERVISOR ? 1 : 0;
    }
    return owned;
  }

  private void hold(long mfn) {
    references[(int) mfn]++;
    types[(int) mfn]++;
  }

  private void table(long table, int level, int owner, int held) {
    boolean complete = !frames.isPartial(table);
    for (int i = 0; i < held; i++) {
      long entry = entry(table, i);
      if (level == 4 && i >= 256 && i <= 271) {
        assertTrue(
            !complete
                || (i == 256 ? entry == 0 || entry == machine.m2pMap().slotEntry() : entry == 0),
            at(table, "reserved slot changed"));
        continue;
      }
      if ((entry & Pte.P) == 0) {
        continue;
      }
      if (level == 1 && Pte.mfn(entry) >= count) {
        assertTrue(
            io.getOrDefault(owner, Set.of()).contains(Pte.mfn(entry)),
            at(table, "I/O frame 0x" + Long.toHexString(Pte.mfn(entry))));
        continue;
      }
      int target = (int) Pte.mfn(entry);
      long cache = Pte.PS | Pte.PCD | Pte.PWT;
      assertTrue((entry & Pte.U) != 0, at(table, "entry without U"));
      assertEquals(
          0,
          entry & (level > 1 ? cache | Pte.G : io.containsKey(owner) ? 0 : cache),
          at(table, "forbidden bits"));
      if (level == 1) {
        leaf(table, entry, target, owner);
        continue;
      }
      if (target == table) {
        assertEquals(0, entry & Pte.W, at(table, "writable self-reference"));
        continue;
      }
      assertEquals(owner, frames.owner(target), at(target, "table of a stranger"));
      hold(target);
      if (frames.isInUseAs(target, level)) {
        assertEquals(0, entry & Pte.W, at(table, "writable linear entry"));
        linear[(int) table]++;
        linear[target]--;
      } else {
        assertTrue(frames.isInUseAs(target, level - 1), at(target, "wrong level below"));
      }
    }
  }

  private void leaf(long table, long entry, int target, int owner) {
    references[target]++;
    if (owner < mapped.length) {
      mapped[owner][target] = true;
    }
    int theirs = frames.owner(target);
    boolean m2p = target < machine.m2p().endFrame() && (entry & Pte.W) == 0;
    boolean foreign =
        owner == privileged && (theirs != FrameTable.HYPERVISOR || m2p)
            || oncePrivileged.contains(theirs); // who may put frames of its own into others' tables
    assertTrue(
        theirs == owner || foreign || isGranted(owner, target), at(target, "mapped by a stranger"));
    if ((entry & Pte.W) != 0) {
      types[target]++;
      assertEquals(FrameTable.WRITABLE, frames.type(target), at(target, "mapped writable"));
    }
  }

  private void descriptors(long mfn) {
    for (int i = 0; i < 512; i++) {
      long d = entry(mfn, i);
      boolean present = (d >>> 47 & 1) != 0;
      int dpl = (int) (d >>> 45) & 3;
      if (present && (d >>> 44 & 1) != 0) {
        assertEquals(3, dpl, at(mfn, "segment with DPL below 3"));
      } else if (present && (d >>> 40 & 15) != 0) {
        assertTrue((d >>> 40 & 15) == 12 && dpl == 0, at(mfn, "system descriptor"));
      }
    }
  }

  private void domain(Space d) {
    for (AddressSpaces v : d.vcpus) {
      if (v.kernelTable() >= 0) {
        hold(v.kernelTable());
        assertTrue(frames.isInUseAs(v.kernelTable(), FrameTable.L4), at(v.kernelTable(), "base"));
      }
      if (v.userTable() >= 0) {
        hold(v.userTable());
        assertTrue(frames.isInUseAs(v.userTable(), FrameTable.L4), at(v.userTable(), "base"));
      }
      DescriptorTables t = d.mmu.descriptors(v.id());
      for (int i = 0; i < t.gdtFrameCount(); i++) {
        hold(t.gdtFrame(i));
        assertTrue(frames.isInUseAs(t.gdtFrame(i), FrameTable.SEGDESC), at(t.gdtFrame(i), "GDT"));
      }
      for (int i = 0; i < t.ldtPageCount(); i++) {
        if (t.ldtFrame(i) >= 0) {
          hold(t.ldtFrame(i));
          assertTrue(frames.isInUseAs(t.ldtFrame(i), FrameTable.SEGDESC), at(t.ldtFrame(i), "LDT"));
        }
      }
    }
  }

  private void compare() {
    for (int mfn = 1; mfn < count; mfn++) {
      assertEquals(references[mfn], frames.references(mfn), at(mfn, "general references"));
      assertEquals(types[mfn], frames.typeCount(mfn), at(mfn, "type references"));
      assertEquals(linear[mfn], frames.linear().count(mfn), at(mfn, "linear count"));
      if (references[mfn] == 0) {
        assertEquals(FrameTable.NOBODY, frames.owner(mfn), at(mfn, "lost frame"));
      }
    }
  }

  private void tlb(Space d, TestVcpu v) {
    for (TestVcpu.Translation t : v.translations()) {
      boolean m2p =
          t.mfn() < machine.m2p().endFrame() || frames.owner(t.mfn()) == FrameTable.HYPERVISOR;
      if (m2p) {
        assertTrue(!t.writable(), at(t.mfn(), "M2P writable"));
        continue;
      }
      assertTrue(
          frames.owner(t.mfn()) == d.domid || mapped[d.domid][(int) t.mfn()],
          at(t.mfn(), "d" + d.domid + "'s TLB still has a stranger's frame"));
      if (t.writable() && frames.typeCount(t.mfn()) > 0) {
        assertEquals(
            FrameTable.WRITABLE, frames.type(t.mfn()), at(t.mfn(), "a TLB can still write this"));
      }
    }
    v.tables()
        .forEach((table, type) ->
            assertTrue(
                frames.owner(table) == d.domid && frames.isInUseAs(table, type),
                at(table, "a walk may still be in it as L" + type)));
  }

  private Supplier<String> at(long mfn, String what) {
    return () -> what + ": " + frames.describe(mfn);
  }
}
