package dev.domus.kernel.model;

import static dev.domus.kernel.abi.Errno.EACCES;
import static dev.domus.kernel.abi.Errno.EBUSY;
import static dev.domus.kernel.abi.Errno.EFAULT;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.EPERM;
import static dev.domus.kernel.model.ModelFrame.L1;
import static dev.domus.kernel.model.ModelFrame.L4;
import static dev.domus.kernel.model.ModelFrame.SEGDESC;
import static dev.domus.kernel.model.ModelFrame.WRITABLE;

import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Frames, references and page tables as the ABI has them (xen-pv-abi.md, 5), without a thought for
 * speed, threads or undoing: whoever calls works on a copy and throws it away when {@link Refused}
 * comes out. Nothing here is shared with the implementation but the names of the bits.
 */
final class FrameModel {
  private static final long ALL_ONES_FRAME = 0xFF_FFFF_FFFFL;
  private static final long HARMLESS =
      Pte.A | Pte.D | Pte.AVAIL | Pte.AVAIL_HIGH | Pte.NX | Pte.G | Pte.U;
  private static final long PCD = 1 << 4, PWT = 1 << 3;
  private static final long LEAF_CACHE_BITS = PCD | PWT | Pte.PS;

  /** Owners that are no domains: of frames that are not RAM, and the hypervisor. */
  static final int IO = 0x7FF1, XEN = 0x7FF2;

  private final long machineFrames;

  /** What every L4 table in use holds in slot 256. */
  final long m2pEntry;

  Map<Long, ModelFrame> frames = new TreeMap<>();

  /** I/O frames that a domain has the right to, by its id. */
  final Map<Integer, Set<Long>> ioRights = new TreeMap<>();

  /**
   * Frames whose contents were looked at, and as what: a page that is found bad halfway may have
   * been mended as far as it was good.
   */
  final Map<Long, Integer> lookedAt = new TreeMap<>();

  /** Frames that were validated since the state was last copied; empty for those found bad. */
  private final Map<Long, Optional<ModelFrame>> validated = new TreeMap<>();

  /** A bit that a walk has set; processors do that whatever becomes of the operation. */
  private record Mark(long mfn, int index, long bits) {}

  private final List<Mark> marks = new ArrayList<>();

  FrameModel(long machineFrames, long m2pEntry) {
    this.machineFrames = machineFrames;
    this.m2pEntry = m2pEntry;
  }

  /** The state as it is, to be put back if what follows is refused. */
  Map<Long, ModelFrame> copyOfFrames() {
    marks.clear();
    validated.clear();
    Map<Long, ModelFrame> copy = new TreeMap<>();
    frames.forEach((mfn, f) -> copy.put(mfn, f.copy()));
    return copy;
  }

  // ---- references

  /** A frame of a domain's, with a reference; −EINVAL if it is not. */
  ModelFrame get(long mfn, int domid) {
    ModelFrame f = own(mfn, domid);
    f.references++;
    return f;
  }

  ModelFrame own(long mfn, int domid) {
    ModelFrame f = frames.get(mfn);
    if (f == null || f.owner != domid) {
      throw new Refused(EINVAL);
    }
    return f;
  }

  void put(ModelFrame f) {
    if (--f.references == 0) {
      frames.remove(f.mfn);
    }
  }

  void takeType(ModelFrame f, int type) {
    boolean kept = f.type == SEGDESC && type == SEGDESC && f.settled;
    if (f.typeCount > 0 || kept) {
      if (f.type != type || !f.settled) {
        throw new Refused(EINVAL);
      }
      f.typeCount++;
      return;
    }
    f.type = type;
    f.typeCount = 1;
    f.settled = false;
    if (type != WRITABLE) {
      lookedAt.put(f.mfn, type);
      validated.put(f.mfn, Optional.empty());
      validate(f);
      validated.put(f.mfn, Optional.of(f));
    }
    f.settled = true;
  }

  /** Puts a reference; a page of descriptors stays one until it is used as something else. */
  void putType(ModelFrame f) {
    if (--f.typeCount == 0 && f.type >= L1 && f.type <= L4) {
      f.settled = false;
      for (int i = 0; i < 512; i++) {
        if (!isReserved(f.type, i) && isPresent(f.words[i])) {
          dropEntry(f, f.type, f.words[i]);
        }
      }
    }
  }

  /** A reference of each kind. */
  ModelFrame hold(long mfn, int domid, int type) {
    ModelFrame f = get(mfn, domid);
    takeType(f, type);
    return f;
  }

  void letGo(long mfn) {
    ModelFrame f = frames.get(mfn);
    putType(f);
    put(f);
  }

  // ---- tables and descriptors

  private void validate(ModelFrame f) {
    for (int i = 0; i < 512; i++) {
      if (f.type == SEGDESC) {
        f.set(i, descriptor(f.words[i]));
      } else if (!isReserved(f.type, i) && isPresent(f.words[i])) {
        takeEntry(f, f.type, f.words[i], f.owner);
        f.set(i, adjusted(f.words[i], f.type));
      }
    }
    if (f.type == L4) {
      for (int i = 256; i <= 271; i++) {
        f.set(i, i == 256 ? m2pEntry : 0);
      }
    }
  }

  static boolean isPresent(long entry) {
    return (entry & Pte.P) != 0;
  }

  static boolean isWritable(long entry) {
    return (entry & Pte.W) != 0;
  }

  static boolean isReserved(int level, int index) {
    return level == 4 && index >= 256 && index <= 271;
  }

  /** The bits that the hypervisor adds (5.5). */
  static long adjusted(long entry, int level) {
    if (level > 1) {
      return entry | Pte.U | (level == 4 ? Pte.A : 0);
    }
    if ((entry & Pte.U) == 0) {
      return (entry | Pte.U | 1L << 52) & ~Pte.G;
    }
    return (entry & 1L << 52) != 0 ? entry : entry | Pte.G;
  }

  /** A descriptor as it may stand in a table (7). */
  static long descriptor(long d) {
    boolean present = (d >>> 47 & 1) != 0;
    boolean segment = (d >>> 44 & 1) != 0;
    long type = d >>> 40 & 15;
    if (!present || !segment && type == 0) {
      return d;
    }
    if (segment) {
      return d | 3L << 45;
    }
    long selector = d >>> 16 & 0xFFFF;
    boolean guests = selector >>> 3 < 7168 || (selector & 4) != 0 || selector == 0xE033;
    if (type != 12 || (d >>> 32 & 0xFF) != 0 || !guests) {
      throw new Refused(EINVAL);
    }
    long dpl = d >>> 45 & 3;
    return d & ~(3L << 45) & ~(3L << 16) | dpl << 16;
  }

  /** Takes what a present entry refers to (5.2, 5.3). */
  void takeEntry(ModelFrame table, int level, long entry, int targetOwner) {
    requireFlags(table.owner, level, entry);
    long mfn = Pte.mfn(entry);
    if (level == 1) {
      takeLeaf(table.owner, entry, mfn, targetOwner);
      return;
    }
    if (mfn == table.mfn) {
      if (isWritable(entry)) {
        throw new Refused(EINVAL);
      }
      return;
    }
    ModelFrame target = get(mfn, table.owner);
    if (!target.isInUseAs(level)) {
      takeType(target, level - 1);
      return;
    }
    if (isWritable(entry) || table.linear < 0 || target.linear > 0) {
      throw new Refused(EINVAL);
    }
    table.linear++;
    target.linear--;
    target.typeCount++;
  }

  private boolean hasDevices(int domid) {
    return !ioRights.getOrDefault(domid, Set.of()).isEmpty();
  }

  boolean mayReachIo(int domid, long mfn) {
    return ioRights.getOrDefault(domid, Set.of()).contains(mfn);
  }

  private void requireFlags(int domid, int level, long entry) {
    long refused = level > 1 ? LEAF_CACHE_BITS | Pte.G : hasDevices(domid) ? 0 : LEAF_CACHE_BITS;
    if ((entry & refused) != 0) {
      throw new Refused(EINVAL);
    }
  }

  private void takeLeaf(int mapper, long entry, long mfn, int targetOwner) {
    if (mfn >= machineFrames) {
      boolean theirs = targetOwner == IO || mayReachIo(targetOwner, mfn);
      if (mfn == ALL_ONES_FRAME || !mayReachIo(mapper, mfn) || !theirs) {
        throw new Refused(mfn == ALL_ONES_FRAME ? EINVAL : EPERM);
      }
      return; // nothing is held on what is not RAM
    }
    ModelFrame f = frames.get(mfn);
    if (f == null || f.owner != targetOwner) {
      throw new Refused(EBUSY);
    }
    if (f.special && (entry & LEAF_CACHE_BITS) != 0) {
      throw new Refused(EACCES);
    }
    boolean m2p = f.owner == XEN;
    if (isWritable(entry) && (m2p || f.typeCount > 0 && f.type != WRITABLE)) {
      throw new Refused(EBUSY);
    }
    f.references++;
    if (isWritable(entry)) {
      takeType(f, WRITABLE);
    }
  }

  void dropEntry(ModelFrame table, int level, long entry) {
    long mfn = Pte.mfn(entry);
    if (level > 1 && mfn == table.mfn) {
      return;
    }
    ModelFrame target = frames.get(mfn);
    if (target == null) {
      return; // not RAM
    }
    if (level > 1 && target.type == level) {
      table.linear--;
      target.linear++;
    }
    if (level > 1 || isWritable(entry)) {
      putType(target);
    }
    put(target);
  }

  /** Stores to an entry of a table in use. */
  void replace(
      ModelFrame table, int index, long entry, int targetOwner, boolean preserveAccessedDirty) {
    int level = table.type;
    if (isReserved(level, index)) {
      throw new Refused(EINVAL);
    }
    long old = table.words[index];
    boolean both = isPresent(old) && isPresent(entry);
    boolean same = both && ((old ^ entry) & ~HARMLESS) == 0;
    if (isPresent(entry)) {
      requireFlags(table.owner, level, entry);
      if (!same) {
        takeEntry(table, level, entry, targetOwner);
      }
    }
    long stored = isPresent(entry) ? adjusted(entry, level) : entry;
    table.set(index, stored | (preserveAccessedDirty ? old & (Pte.A | Pte.D) : 0));
    if (isPresent(old) && !same) {
      dropEntry(table, level, old);
    }
  }

  // ---- access to memory through page tables

  static boolean addressOk(long va, long bytes) {
    long last = va + Math.max(bytes, 1) - 1;
    return va >= 0
        ? last >= va && last < 0x0000_8000_0000_0000L
        : va >= 0xFFFF_8800_0000_0000L && last < 0;
  }

  /** The frame that an address is in; marks the entries on the way. */
  ModelFrame walk(long l4, long va, boolean write) {
    ModelFrame[] tables = new ModelFrame[5];
    boolean writable = true;
    long mfn = l4;
    for (int level = 4; level >= 1; level--) {
      tables[level] = frames.get(mfn);
      if (tables[level] == null) {
        throw new Refused(EFAULT);
      }
      long entry = tables[level].words[Pte.index(va, level)];
      if (!isPresent(entry)) {
        throw new Refused(EFAULT);
      }
      writable &= isWritable(entry);
      mfn = Pte.mfn(entry);
    }
    ModelFrame f = frames.get(mfn);
    if (f == null || write && !writable) {
      throw new Refused(EFAULT);
    }
    for (int level = 4; level >= 1; level--) {
      mark(new Mark(tables[level].mfn, Pte.index(va, level), Pte.A));
    }
    if (write) {
      mark(new Mark(tables[1].mfn, Pte.index(va, 1), Pte.D));
    }
    return f;
  }

  private void mark(Mark m) {
    ModelFrame f = frames.get(m.mfn);
    f.set(m.index, f.words[m.index] | m.bits);
    marks.add(m);
  }

  /**
   * What stays of an operation that was refused: the bits that walks have set, and that pages which
   * were looked at are no longer what they were before, or good descriptors now.
   */
  void leaveBehind() {
    validated.forEach((mfn, good) -> {
      ModelFrame f = frames.get(mfn);
      f.settled = good.isPresent() && good.get().type == SEGDESC;
      f.type = f.settled ? SEGDESC : ModelFrame.NONE;
      if (f.settled) {
        f.fill(good.get().words);
      }
    });
    for (Mark m : marks) {
      ModelFrame f = frames.get(m.mfn);
      if (f != null && isPresent(f.words[m.index])) {
        f.set(m.index, f.words[m.index] | m.bits);
      }
    }
  }

  /** The L1 table in use that maps an address, as update_va_mapping finds it. */
  ModelFrame leafTable(long l4, long va, int domid) {
    long mfn = l4;
    for (int level = 4; level > 1; level--) {
      ModelFrame table = frames.get(mfn);
      long entry = table == null ? 0 : table.words[Pte.index(va, level)];
      if (!isPresent(entry)) {
        throw new Refused(EINVAL);
      }
      mfn = Pte.mfn(entry);
    }
    ModelFrame table = own(mfn, domid);
    if (!table.isInUseAs(L1)) {
      throw new Refused(EINVAL);
    }
    return table;
  }

  long read(long l4, long va) {
    if (!addressOk(va, 8)) {
      throw new Refused(EFAULT);
    }
    return walk(l4, va, false).words[(int) (va >>> 3) & 511];
  }

  void write(long l4, long va, long value) {
    if (!addressOk(va, 8)) {
      throw new Refused(EFAULT);
    }
    walk(l4, va, true).set((int) (va >>> 3) & 511, value);
  }

  void write32(long l4, long va, int value) {
    writePart(l4, va, 0xFFFF_FFFFL, value);
  }

  void write16(long l4, long va, int value) {
    writePart(l4, va, 0xFFFF, value);
  }

  private void writePart(long l4, long va, long mask, long value) {
    if (!addressOk(va, 1)) {
      throw new Refused(EFAULT);
    }
    int shift = (int) (va & 7) * 8;
    ModelFrame f = walk(l4, va, true);
    int index = (int) (va >>> 3) & 511;
    f.set(index, f.words[index] & ~(mask << shift) | (value & mask) << shift);
  }
}
