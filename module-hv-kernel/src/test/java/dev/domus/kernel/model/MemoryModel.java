package dev.domus.kernel.model;

import static dev.domus.kernel.abi.Errno.EACCES;
import static dev.domus.kernel.abi.Errno.EFAULT;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.ENOSYS;
import static dev.domus.kernel.abi.Errno.EOPNOTSUPP;
import static dev.domus.kernel.abi.Errno.EPERM;
import static dev.domus.kernel.abi.Errno.ESRCH;
import static dev.domus.kernel.model.ModelFrame.L4;
import static dev.domus.kernel.model.ModelFrame.SEGDESC;
import static dev.domus.kernel.model.ModelFrame.WRITABLE;

import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongUnaryOperator;

/**
 * What each memory operation of a guest answers and does, written from the ABI (xen-pv-abi.md, 6,
 * 7, 13) and not from the implementation: the oracle of {@link MemoryModelTest}. A request works on
 * the state itself; if it is refused, the state from before it is put back.
 */
final class MemoryModel {
  static final int SELF = 0x7FF0, IO = 0x7FF1;
  private static final int NORMAL = 0, MACHPHYS = 1, PRESERVE_AD = 2, NO_TRANSLATE = 3;
  private static final int MAX_ORDER = 18;

  final FrameModel frames;
  Map<Integer, ModelDomain> domains = new TreeMap<>();

  /** Whether the operation owed the guest a flush of its translations. */
  boolean flushDue;

  MemoryModel(FrameModel frames) {
    this.frames = frames;
  }

  @FunctionalInterface
  interface Request {
    void carryOut();
  }

  /** Carries a request out wholly or not at all; 0 or a negated error number. */
  int attempt(Request request) {
    Map<Long, ModelFrame> before = frames.copyOfFrames();
    Map<Integer, ModelDomain> domainsBefore = new TreeMap<>();
    domains.forEach((domid, d) -> domainsBefore.put(domid, d.copy()));
    try {
      request.carryOut();
      return 0;
    } catch (Refused refused) {
      frames.frames = before;
      domains = domainsBefore;
      frames.leaveBehind();
      return -refused.errno;
    }
  }

  ModelDomain domain(int domid) {
    return domains.get(domid);
  }

  private long table(int domid) {
    return domain(domid).kernelTable;
  }

  long read(int domid, long va) {
    return frames.read(table(domid), va);
  }

  void write(int domid, long va, long value) {
    frames.write(table(domid), va, value);
  }

  private void requireWritable(int domid, long va) {
    if (!FrameModel.addressOk(va, 8)) {
      throw new Refused(EFAULT);
    }
    frames.walk(table(domid), va, true);
  }

  /** Whose frames a caller means: its own, or nobody that it may name. */
  private int whose(int caller, int named, boolean ioAllowed) {
    if (named == SELF || named == caller) {
      return caller;
    }
    if (named == IO && ioAllowed) {
      return IO;
    }
    throw new Refused(domains.containsKey(named) || named == IO ? EPERM : ESRCH);
  }

  // ---- batches

  /** mmu_update (6.1). */
  int mmuUpdate(int domid, long array, int count, long done, int owners) {
    int[] target = new int[1];
    int error =
        attempt(() -> {
          if (owners >>> 16 != 0) {
            whose(domid, (owners >>> 16) - 1, false);
          }
          target[0] = whose(domid, owners & 0xFFFF, true);
        });
    return error != 0
        ? error
        : batch(
            domid,
            array,
            count,
            done,
            16,
            at -> {
              long pointer = read(domid, at);
              mmuRequest(domid, pointer, read(domid, at + 8), target[0]);
            });
  }

  @FunctionalInterface
  private interface At {
    void carryOut(long at);
  }

  private int batch(int domid, long array, int count, long done, int size, At each) {
    if (!FrameModel.addressOk(array, (long) count * size)) {
      return -EFAULT;
    }
    if (done != 0) {
      int error = attempt(() -> requireWritable(domid, done));
      if (error != 0) {
        return error;
      }
    }
    int error = 0;
    int i = 0;
    while (i < count && error == 0) {
      long at = array + (long) i * size;
      error = attempt(() -> each.carryOut(at));
      i += error == 0 ? 1 : 0;
    }
    int completed = i;
    int told = done == 0 ? 0 : attempt(() -> frames.write32(table(domid), done, completed));
    return told != 0 ? told : error;
  }

  private void mmuRequest(int domid, long pointer, long value, int target) {
    int command = (int) pointer & 7;
    switch (command) {
      case NORMAL, PRESERVE_AD, NO_TRANSLATE ->
          update(domid, pointer & -8L, value, target, command == PRESERVE_AD);
      case MACHPHYS -> frames.own(pointer >>> 12, target).pfn = value;
      default -> throw new Refused(ENOSYS);
    }
  }

  private void update(int domid, long place, long value, int target, boolean preserve) {
    ModelFrame f = frames.own(place >>> 12, domid);
    int index = (int) (place >>> 3) & 511;
    if (f.isTableInUse()) {
      boolean present = (f.words[index] & 1) != 0;
      frames.replace(f, index, value, target, preserve);
      flushDue |= present && f.type > 1 && (f.type < L4 || isBase(domid, place >>> 12));
    } else if (f.typeCount == 0 || f.type == WRITABLE) {
      f.type = f.typeCount == 0 ? WRITABLE : f.type;
      f.words[index] = value;
    } else {
      throw new Refused(EINVAL);
    }
  }

  /** mmuext_op (6.3). */
  int mmuextOp(int domid, long array, int count, long done, int owner) {
    int error = attempt(() -> whose(domid, owner, false));
    return error != 0
        ? error
        : batch(
            domid,
            array,
            count,
            done,
            24,
            at -> {
              int command = (int) read(domid, at);
              extended(domid, command, read(domid, at + 8), read(domid, at + 16));
            });
  }

  private void extended(int domid, int command, long arg1, long arg2) {
    switch (command) {
      case 0, 1, 2, 3 -> pin(domid, command + 1, arg1);
      case 4 -> unpin(domid, arg1);
      case 5 -> newBase(domid, arg1);
      case 6, 7, 10, 11 -> flushDue = true;
      case 8, 9 -> {
        flushSet(domid, arg2);
      }
      case 12 -> throw new Refused(EACCES);
      case 13 -> setLdt(domid, arg1, (int) arg2);
      case 15 -> newUserBase(domid, arg1);
      case 16 -> fill(domid, arg1, new long[512]);
      case 17 -> fill(domid, arg1, frames.own(arg2, domid).words.clone());
      case 18 -> throw new Refused(EINVAL);
      case 19, 20 -> throw new Refused(EOPNOTSUPP);
      default -> throw new Refused(ENOSYS);
    }
  }

  void pin(int domid, int level, long mfn) {
    ModelFrame f = frames.hold(mfn, domid, level);
    if (f.pinned) {
      throw new Refused(EINVAL);
    }
    f.pinned = true;
  }

  private void unpin(int domid, long mfn) {
    ModelFrame f = frames.own(mfn, domid);
    if (!f.pinned) {
      throw new Refused(EINVAL);
    }
    f.pinned = false;
    frames.letGo(mfn);
  }

  private void newBase(int domid, long mfn) {
    ModelDomain d = domain(domid);
    if (mfn == d.kernelTable) {
      flushDue = true;
    } else {
      frames.hold(mfn, domid, L4).words[256] = frames.m2pEntry;
      dropLdtPages(d);
      long old = d.kernelTable;
      d.kernelTable = mfn;
      frames.letGo(old);
    }
  }

  private void newUserBase(int domid, long mfn) {
    ModelDomain d = domain(domid);
    long old = d.userTable;
    if (mfn == old || mfn == 0 && old < 0) {
      return;
    }
    if (mfn != 0) {
      boolean shown = !d.m2pStrict || mfn == d.kernelTable;
      frames.hold(mfn, domid, L4).words[256] = shown ? frames.m2pEntry : 0;
    }
    d.userTable = mfn == 0 ? -1 : mfn;
    if (old >= 0) {
      frames.letGo(old);
    }
  }

  private boolean isBase(int domid, long mfn) {
    return mfn == domain(domid).kernelTable || mfn == domain(domid).userTable;
  }

  /** The one vCPU has to do what it is told if it is the one named. */
  private void flushSet(int domid, long set) {
    try {
      flushDue |= (read(domid, set) & 1) != 0;
    } catch (Refused unreadable) {
      throw new Refused(EINVAL);
    }
  }

  private void fill(int domid, long mfn, long[] words) {
    ModelFrame f = frames.own(mfn, domid);
    if (f.typeCount > 0 && f.type != WRITABLE) {
      throw new Refused(EINVAL);
    }
    f.type = WRITABLE;
    System.arraycopy(words, 0, f.words, 0, 512);
  }

  // ---- single entries

  /** update_va_mapping (6.2); owner SELF for the form without. */
  int updateVa(int domid, long va, long entry, long flags, int owner) {
    long set = flags & -4L;
    return attempt(() -> {
      int target = whose(domid, owner, true);
      boolean all = (flags & 3) == 0 || set == 0 || set == 4;
      boolean named = all || (read(domid, set) & 1) != 0;
      if (!FrameModel.addressOk(va, 1)) {
        throw new Refused(EINVAL);
      }
      ModelFrame table = frames.leafTable(table(domid), va, domid);
      frames.replace(table, Pte.index(va, 1), entry, target, false);
      boolean flush = (flags & 3) == 1 || (flags & 3) == 2;
      flushDue |= flush && named;
    });
  }

  /**
   * A store of eight bytes by the guest's kernel (6.4): 0 if it has taken effect, −EFAULT for a
   * page fault.
   */
  int store(int domid, long va, long value) {
    return attempt(() -> {
      boolean tried = domain(domid).writableTables && FrameModel.addressOk(va, 8);
      ModelFrame f = tried ? frames.walk(table(domid), va, false) : null;
      if (f == null || !f.isInUseAs(1) || f.owner != domid) {
        throw new Refused(EFAULT);
      }
      int index = (int) (va >>> 3) & 511;
      if (f.words[index] != value) {
        try {
          frames.replace(f, index, value, domid, false);
        } catch (Refused refused) {
          throw new Refused(EFAULT);
        }
      }
    });
  }

  /** vm_assist. */
  int assist(int domid, int command, int type) {
    if (type != 32 && (type < 0 || type > 5)) {
      return -EINVAL;
    }
    if (command > 1) {
      return -ENOSYS;
    }
    ModelDomain d = domain(domid);
    d.writableTables = type == 2 ? command == 0 : d.writableTables;
    d.m2pStrict = type == 32 ? command == 0 : d.m2pStrict;
    return 0;
  }

  // ---- descriptors (7)

  int setGdt(int domid, long list, int entries) {
    if (entries < 0 || entries > 7168) {
      return -EINVAL;
    }
    return attempt(() -> {
      ModelDomain d = domain(domid);
      long[] fresh = new long[Math.ceilDiv(entries, 512)];
      for (int i = 0; i < fresh.length; i++) {
        fresh[i] = read(domid, list + 8L * i);
      }
      for (long mfn : fresh) {
        frames.hold(mfn, domid, SEGDESC);
      }
      for (long old : d.gdt) {
        frames.letGo(old);
      }
      d.gdt = fresh;
    });
  }

  int updateDescriptor(int domid, long place, long descriptor) {
    return attempt(() -> {
      if ((place & 7) != 0) {
        throw new Refused(EINVAL);
      }
      ModelFrame f = frames.own(place >>> 12, domid);
      if (f.typeCount > 0 && f.type != SEGDESC && f.type != WRITABLE) {
        throw new Refused(EINVAL);
      }
      if (f.type != SEGDESC || !f.settled) {
        f.type = WRITABLE;
      }
      f.words[(int) (place >>> 3) & 511] = FrameModel.descriptor(descriptor);
    });
  }

  private void setLdt(int domid, long base, int entries) {
    if (entries < 0
        || entries > 8192
        || (base & 4095) != 0
        || !FrameModel.addressOk(base, 8L * entries)) {
      throw new Refused(EINVAL);
    }
    ModelDomain d = domain(domid);
    dropLdtPages(d);
    d.ldtBase = base;
    d.ldtEntries = entries;
  }

  private void dropLdtPages(ModelDomain d) {
    d.ldtPages.values().forEach(frames::letGo);
    d.ldtPages.clear();
  }

  /** A selector of the LDT is used and faults: 0 if that was worth another try. */
  int useLdt(int domid, int selector) {
    return attempt(() -> {
      ModelDomain d = domain(domid);
      int page = (selector >>> 3) / 512;
      if (selector >>> 3 >= d.ldtEntries || d.ldtPages.containsKey(page)) {
        throw new Refused(EFAULT);
      }
      ModelFrame f = frames.walk(d.kernelTable, d.ldtBase + 4096L * page, false);
      d.ldtPages.put(page, frames.hold(f.mfn, domid, SEGDESC).mfn);
    });
  }

  // ---- memory_op (13)

  private long pages(int domid) {
    return frames.frames.values().stream().filter(f -> f.owner == domid && !f.special).count();
  }

  /**
   * increase_reservation and populate_physmap.
   *
   * @param list 0 for none
   * @param chosen the frame that the allocator has found for an extent
   */
  int allocate(
      int domid, boolean populate, long list, int count, int order, LongUnaryOperator chosen) {
    if (!FrameModel.addressOk(list, 8L * count)) {
      return 0;
    }
    for (int i = 0; i < count; i++) {
      long at = list + 8L * i;
      long extent = i;
      int error =
          attempt(() -> {
            if (list != 0 || populate) {
              requireWritable(domid, at);
            }
            long pfn = populate ? read(domid, at) : 0;
            if (pages(domid) + (1L << order) > domain(domid).maxPages) {
              throw new Refused(EINVAL);
            }
            long mfn = chosen.applyAsLong(extent);
            adopt(domid, mfn, order, populate, pfn);
            if (list != 0) {
              write(domid, at, mfn);
            }
          });
      if (error != 0) {
        return i;
      }
    }
    return count;
  }

  private void adopt(int domid, long mfn, int order, boolean known, long pfn) {
    for (int i = 0; i < 1 << order; i++) {
      ModelFrame f = new ModelFrame(mfn + i, domid, false, false);
      f.pfn = known ? pfn + i : -1;
      if ((mfn & (1 << order) - 1) != 0 || frames.frames.put(f.mfn, f) != null) {
        throw new AssertionError("the allocator gave out what is not free: mfn=" + f.mfn);
      }
    }
  }

  int decrease(int domid, long list, int count, int order) {
    for (int i = 0; i < count; i++) {
      long at = list + 8L * i;
      long first;
      try {
        first = read(domid, at);
      } catch (Refused unreadable) {
        return i;
      }
      for (long mfn = first; mfn < first + (1 << order); mfn++) {
        long each = mfn;
        if (attempt(() -> giveBack(domid, each)) != 0) {
          return i;
        }
      }
    }
    return count;
  }

  private void giveBack(int domid, long mfn) {
    ModelFrame f = frames.own(mfn, domid);
    if (f.special || f.references != 1 || f.typeCount != 0 || !f.allocated) {
      throw new Refused(EINVAL);
    }
    frames.frames.remove(mfn);
  }

  /** What exchange is asked for. */
  record Exchange(long in, int inCount, int inOrder, long out, int outCount, int outOrder) {}

  int exchange(int domid, int owner, Exchange x, long doneAt, LongUnaryOperator chosen) {
    int error = attempt(() -> whose(domid, owner, false));
    if (error != 0) {
      return error;
    }
    if (!FrameModel.addressOk(x.in, 8L * x.inCount)
        || !FrameModel.addressOk(x.out, 8L * x.outCount)) {
      return -EFAULT;
    }
    if (x.inOrder > MAX_ORDER || x.outOrder > MAX_ORDER) {
      return -EPERM;
    }
    if (x.inCount << x.inOrder != x.outCount << x.outOrder) {
      return -EINVAL;
    }
    int order = Math.max(x.inOrder, x.outOrder);
    int inChunk = 1 << order - x.inOrder;
    int outChunk = 1 << order - x.outOrder;
    for (int done = 0; done + inChunk <= x.inCount; done += inChunk) {
      int from = done;
      error = attempt(() -> chunk(domid, x, from, inChunk, outChunk, doneAt, chosen));
      if (error != 0) {
        return error;
      }
    }
    return 0;
  }

  private void chunk(
      int domid,
      Exchange x,
      int from,
      int inChunk,
      int outChunk,
      long doneAt,
      LongUnaryOperator chosen) {
    List<Long> old = new ArrayList<>();
    for (int i = 0; i < inChunk; i++) {
      long first = read(domid, x.in + 8L * (from + i));
      for (int each = 0; each < 1 << x.inOrder; each++) {
        old.add(first + each);
      }
    }
    old.forEach(mfn -> giveBack(domid, mfn));
    int out = from / inChunk * outChunk;
    for (int i = out; i < out + outChunk; i++) {
      long at = x.out + 8L * i;
      long pfn = read(domid, at);
      long mfn = chosen.applyAsLong(i);
      adopt(domid, mfn, x.outOrder, true, pfn);
      write(domid, at, mfn);
    }
    write(domid, doneAt, from + inChunk);
  }

  /** current_reservation, maximum_reservation, maximum_gpfn. */
  long question(int domid, int command, int owner) {
    int error = attempt(() -> whose(domid, owner, false));
    if (error != 0) {
      return error;
    }
    long most = domain(domid).maxPages;
    return command == 3 ? pages(domid) : command == 4 ? most : most - 1;
  }

  // ---- the end

  void destroy(int domid) {
    ModelDomain d = domains.remove(domid);
    for (long mfn : d.gdt) {
      frames.letGo(mfn);
    }
    dropLdtPages(d);
    frames.letGo(d.kernelTable);
    if (d.userTable >= 0) {
      frames.letGo(d.userTable);
    }
    for (ModelFrame f : List.copyOf(frames.frames.values())) {
      if (f.owner == domid && f.pinned) {
        f.pinned = false;
        frames.letGo(f.mfn);
      }
    }
    for (ModelFrame f : List.copyOf(frames.frames.values())) {
      if (f.owner == domid && f.allocated) {
        f.allocated = false;
        f.typeCount -= f.special ? 1 : 0;
        frames.put(f);
      }
    }
  }
}
