package dev.domus.kernel.model;

import static dev.domus.kernel.abi.Errno.EACCES;
import static dev.domus.kernel.abi.Errno.EFAULT;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.ENOSYS;
import static dev.domus.kernel.abi.Errno.EOPNOTSUPP;
import static dev.domus.kernel.abi.Errno.EPERM;
import static dev.domus.kernel.abi.Errno.ESRCH;
import static dev.domus.kernel.model.ModelFrame.L4;
import static dev.domus.kernel.model.ModelFrame.WRITABLE;

import dev.domus.memory.paging.Pte;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What each memory operation of a guest answers and does, written from the ABI (xen-pv-abi.md, 6,
 * 7, 13) and not from the implementation: the oracle of {@link MemoryModelTest}. A request works on
 * the state itself; if it is refused, the state from before it is put back.
 */
final class MemoryModel {
  static final int SELF = 0x7FF0, IO = FrameModel.IO, XEN = FrameModel.XEN;
  private static final int NORMAL = 0, MACHPHYS = 1, PRESERVE_AD = 2, NO_TRANSLATE = 3;

  final FrameModel frames;
  Map<Integer, ModelDomain> domains = new TreeMap<>();

  /** What the vCPUs have to forget, now that the operation is done. */
  final Set<Owed> owed = new HashSet<>();

  final ReservationModel reservations = new ReservationModel(this);
  final GrantModel grants = new GrantModel(this);
  final DescriptorModel descriptors = new DescriptorModel(this);

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
    Set<Owed> owedBefore = Set.copyOf(owed);
    try {
      request.carryOut();
      return 0;
    } catch (Refused refused) {
      frames.frames = before;
      domains = domainsBefore;
      owed.retainAll(owedBefore);
      frames.leaveBehind();
      return -refused.errno;
    }
  }

  ModelDomain domain(int domid) {
    return domains.get(domid);
  }

  /** The kernel's base pointer of the vCPU that acts. */
  long table(int domid) {
    return domain(domid).vcpu().kernelTable;
  }

  private static final long ALL_VCPUS = -1;

  /** All vCPUs of the domain have to forget everything. */
  void owedToAll(int domid) {
    owe(domid, ALL_VCPUS, Owed.What.EVERYTHING, 0);
  }

  private long caller(int domid) {
    return 1L << domain(domid).acting;
  }

  /** Bit n of the set is vCPU n; bits beyond the last are nobody's. */
  private void owe(int domid, long set, Owed.What what, long of) {
    for (int i = 0; i < ModelDomain.VCPUS; i++) {
      if ((set >>> i & 1) != 0) {
        owed.add(new Owed(domid, i, what, of));
      }
    }
  }

  /**
   * A present entry above the leaves has been changed: nobody uses what was below it (XSA-286).
   * Under which base that may have been found is known of an L4 only, if no other table names it;
   * then it concerns those who have it as a base, for all others would have to load it first.
   */
  private void owedForTree(int domid, ModelFrame table) {
    if (table.type == L4 && table.linear >= 0) {
      owedToUsersOf(domid, table);
    } else {
      owedToAll(domid);
    }
  }

  private void owedToUsersOf(int domid, ModelFrame l4) {
    ModelVcpu[] vcpus = domain(domid).vcpus;
    for (int i = 0; i < vcpus.length; i++) {
      if (vcpus[i].kernelTable == l4.mfn || vcpus[i].userTable == l4.mfn) {
        owe(domid, 1L << i, Owed.What.ADDRESS_SPACE, l4.mfn);
      }
    }
  }

  long read(int domid, long va) {
    return frames.read(table(domid), va);
  }

  void write(int domid, long va, long value) {
    frames.write(table(domid), va, value);
  }

  void requireReadable(int domid, long va) {
    if (!FrameModel.addressOk(va, 8)) {
      throw new Refused(EFAULT);
    }
    frames.walk(table(domid), va, false);
  }

  void requireWritable(int domid, long va) {
    if (!FrameModel.addressOk(va, 8)) {
      throw new Refused(EFAULT);
    }
    frames.walk(table(domid), va, true);
  }

  /** Whose frames a caller may map by this name; its own number is none of its names. */
  private int owner(int caller, int named) {
    if (named == SELF) {
      return caller;
    }
    if (named == caller) {
      throw new Refused(ESRCH);
    }
    if (named == IO || domain(caller).privileged && named == XEN) {
      return named;
    }
    return other(caller, named, named == XEN);
  }

  /** Whose tables a caller may change by this name. */
  private int tables(int caller, int named) {
    return named == SELF ? caller : other(caller, named, named == IO || named == XEN);
  }

  /** A domain that a caller may act on. */
  int other(int caller, int named, boolean known) {
    if (named == caller) {
      return caller;
    }
    if (!domain(caller).privileged && (known || domains.containsKey(named))) {
      throw new Refused(EPERM);
    }
    if (!domains.containsKey(named)) {
      throw new Refused(ESRCH);
    }
    return named;
  }

  // ---- batches

  /** mmu_update (6.1). */
  int mmuUpdate(int domid, long array, int count, long done, int owners) {
    int[] meant = new int[2];
    int error =
        attempt(() -> {
          int named = (owners >>> 16) - 1;
          if (named >= SELF) {
            throw new Refused(ESRCH);
          }
          meant[0] = named < 0 ? domid : tables(domid, named);
          meant[1] = owner(domid, owners & 0xFFFF);
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
              mmuRequest(domid, pointer, read(domid, at + 8), meant[0], meant[1]);
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
    int error = 0;
    int i = 0;
    while (i < count && error == 0) {
      long at = array + (long) i * size;
      error = attempt(() -> each.carryOut(at));
      i += error == 0 ? 1 : 0;
    }
    int completed = i;
    if (done != 0) { // it is no error if that cannot be told
      attempt(() -> frames.write32(table(domid), done, completed));
    }
    return error;
  }

  private void mmuRequest(int domid, long pointer, long value, int tables, int target) {
    int command = (int) pointer & 7;
    switch (command) {
      case NORMAL, PRESERVE_AD, NO_TRANSLATE -> {
        boolean passedOn = target == IO && tables != domid && FrameModel.isPresent(value);
        if (passedOn && !frames.mayReachIo(domid, Pte.mfn(value))) {
          throw new Refused(EPERM);
        }
        update(tables, pointer & -8L, value, target, command == PRESERVE_AD);
      }
      case MACHPHYS -> {
        if (target == IO && !domain(domid).privileged) {
          throw new Refused(EPERM);
        }
        frames.own(pointer >>> 12, target == IO || target == XEN ? -1 : target).pfn = value;
      }
      default -> throw new Refused(ENOSYS);
    }
  }

  private void update(int tables, long place, long value, int target, boolean preserve) {
    ModelFrame f = frames.own(place >>> 12, tables);
    int index = (int) (place >>> 3) & 511;
    if (f.isTableInUse()) {
      boolean present = FrameModel.isPresent(f.words[index]);
      frames.replace(f, index, value, target, preserve);
      if (present && f.type > 1) {
        owedForTree(tables, f);
      }
    } else if (f.typeCount == 0 || f.type == WRITABLE) {
      f.type = f.typeCount == 0 ? WRITABLE : f.type;
      f.set(index, value);
    } else {
      throw new Refused(EINVAL);
    }
  }

  /** mmuext_op (6.3). */
  int mmuextOp(int domid, long array, int count, long done, int owner) {
    int[] tables = new int[1];
    int error = owner == domid ? -ESRCH : attempt(() -> tables[0] = tables(domid, owner));
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
              long arg1 = read(domid, at + 8);
              long arg2 = read(domid, at + 16);
              if (tables[0] == domid) {
                extended(domid, command, arg1, arg2);
              } else {
                foreign(tables[0], command, arg1, arg2);
              }
            });
  }

  private void extended(int domid, int command, long arg1, long arg2) {
    switch (command) {
      case 0, 1, 2, 3 -> pin(domid, command + 1, arg1);
      case 4 -> unpin(domid, arg1);
      case 5 -> newBase(domid, arg1);
      case 6 -> owe(domid, caller(domid), Owed.What.EVERYTHING, 0);
      case 7 -> owe(domid, caller(domid), Owed.What.PAGE, arg1);
      case 8 -> owe(domid, vcpuSet(domid, arg2), Owed.What.EVERYTHING, 0);
      case 9 -> owe(domid, vcpuSet(domid, arg2), Owed.What.PAGE, arg1);
      case 10 -> owe(domid, ALL_VCPUS, Owed.What.EVERYTHING, 0);
      case 11 -> owe(domid, ALL_VCPUS, Owed.What.PAGE, arg1);
      case 12 -> requireDevices(domid, EACCES);
      case 13 -> descriptors.setLdt(domid, arg1, (int) arg2);
      case 15 -> newUserBase(domid, arg1);
      case 16 -> fill(domid, arg1, new long[512]);
      case 17 -> fill(domid, arg1, frames.own(arg2, domid).words);
      case 18 -> requireDevices(domid, EINVAL);
      case 19, 20 -> throw new Refused(EOPNOTSUPP);
      default -> throw new Refused(ENOSYS);
    }
  }

  /** What may be done to another's tables; the rest concerns the caller's vCPUs. */
  private void foreign(int tables, int command, long arg1, long arg2) {
    switch (command) {
      case 0, 1, 2, 3 -> pin(tables, command + 1, arg1);
      case 4 -> unpin(tables, arg1);
      case 16 -> fill(tables, arg1, new long[512]);
      case 17 -> fill(tables, arg1, frames.own(arg2, tables).words);
      case 19, 20 -> throw new Refused(EOPNOTSUPP);
      case 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 18 -> throw new Refused(EPERM);
      default -> throw new Refused(ENOSYS);
    }
  }

  private void requireDevices(int domid, int errno) {
    if (frames.ioRights.getOrDefault(domid, Set.of()).isEmpty()) {
      throw new Refused(errno);
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
    ModelVcpu v = domain(domid).vcpu();
    boolean again = mfn == v.kernelTable;
    owe(domid, caller(domid), again ? Owed.What.EVERYTHING : Owed.What.UNTRUE, 0);
    if (!again) {
      frames.hold(mfn, domid, L4).set(256, frames.m2pEntry);
      descriptors.dropLdtPages(v);
      long old = v.kernelTable;
      v.kernelTable = mfn;
      frames.letGo(old);
    }
  }

  private void newUserBase(int domid, long mfn) {
    ModelDomain d = domain(domid);
    ModelVcpu v = d.vcpu();
    long old = v.userTable;
    if (mfn == old || mfn == 0 && old < 0) {
      return;
    }
    if (mfn != 0) {
      holdUserTable(d, mfn, v.kernelTable);
    }
    owe(domid, caller(domid), Owed.What.UNTRUE, 0);
    v.userTable = mfn == 0 ? -1 : mfn;
    if (old >= 0) {
      frames.letGo(old);
    }
  }

  void holdUserTable(ModelDomain d, long mfn, long kernelTable) {
    boolean shown = !d.m2pStrict || mfn == kernelTable;
    ModelFrame f = frames.hold(mfn, d.domid, L4);
    if (!shown && FrameModel.isPresent(f.words[256])) {
      owedToUsersOf(d.domid, f);
    }
    f.set(256, shown ? frames.m2pEntry : 0);
  }

  private long vcpuSet(int domid, long set) {
    try {
      return read(domid, set);
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
    f.fill(words);
  }

  // ---- single entries

  /** update_va_mapping (6.2); owner SELF for the form without. */
  int updateVa(int domid, long va, long entry, long flags, int owner) {
    long set = flags & -4L;
    return attempt(() -> {
      int target = owner(domid, owner);
      long vcpus =
          (flags & 3) == 0 || set == 4 ? ALL_VCPUS : set == 0 ? caller(domid) : read(domid, set);
      if (!FrameModel.addressOk(va, 1)) {
        throw new Refused(EINVAL);
      }
      ModelFrame table = frames.leafTable(table(domid), va, domid);
      frames.replace(table, Pte.index(va, 1), entry, target, false);
      switch ((int) flags & 3) {
        case 1 -> owe(domid, vcpus, Owed.What.EVERYTHING, 0);
        case 2 -> owe(domid, vcpus, Owed.What.PAGE, va);
        default -> {}
      }
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

  // ---- I/O memory and windows

  /** A domain may map an I/O frame, or not any more; what it has mapped stays. */
  void permitIo(int domid, long mfn, boolean allowed) {
    Set<Long> rights = frames.ioRights.computeIfAbsent(domid, d -> new TreeSet<>());
    if (allowed) {
      rights.add(mfn);
    } else {
      rights.remove(mfn);
    }
  }

  /** A window is opened on a frame of a domain's; it holds what a mapping would. */
  int open(int domid, long mfn, boolean writable) {
    return attempt(() -> {
      ModelFrame f = frames.get(mfn, domid);
      if (writable) {
        frames.takeType(f, WRITABLE);
      }
    });
  }

  void close(long mfn, boolean writable) {
    ModelFrame f = frames.frames.get(mfn);
    if (writable) {
      frames.putType(f);
    }
    frames.put(f);
  }

  // ---- the end

  void destroy(int domid) {
    grants.end(domid);
    ModelDomain d = domains.remove(domid);
    frames.ioRights.remove(domid);
    for (ModelVcpu v : d.vcpus) {
      for (long mfn : v.gdt) {
        frames.letGo(mfn);
      }
      descriptors.dropLdtPages(v);
      if (v.kernelTable >= 0) {
        frames.letGo(v.kernelTable);
      }
      if (v.userTable >= 0) {
        frames.letGo(v.userTable);
      }
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
        f.pfn = f.special ? f.pfn : -1;
        f.typeCount -= f.special ? 1 : 0;
        frames.put(f);
      }
    }
  }
}
