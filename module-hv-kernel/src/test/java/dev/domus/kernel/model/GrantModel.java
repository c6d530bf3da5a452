package dev.domus.kernel.model;

import static dev.domus.kernel.abi.Errno.EFAULT;
import static dev.domus.kernel.model.FrameModel.isPresent;
import static dev.domus.kernel.model.FrameModel.isWritable;
import static dev.domus.kernel.model.ModelFrame.WRITABLE;

import dev.domus.memory.paging.Pte;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntSupplier;

/**
 * What grant_table_op answers and does with tables of version 1 (xen-pv-abi.md, 12): a part of
 * {@link MemoryModel}. A grant table has one frame, whose words are compared like those of all
 * others.
 */
final class GrantModel {
  static final int OKAY = 0,
      GENERAL_ERROR = -1,
      BAD_DOMAIN = -2,
      BAD_REF = -3,
      BAD_HANDLE = -4,
      BAD_DEVICE_ADDRESS = -6,
      DENIED = -8,
      BAD_PAGE = -9,
      BAD_COPY = -10,
      AGAIN = -12;

  /** Flag of a mapping. */
  static final int DEVICE = 1, HOST = 2, READONLY = 4, APPLICATION = 8, CONTAINS_PTE = 16;

  private static final int REFS = 512;
  private static final long TYPE = 3, PERMIT = 1, ACCEPT = 2;
  private static final long ENTRY_READONLY = 4, READING = 8, WRITING = 16, SUB_PAGE = 1 << 8;
  private static final long COMMITTED = 4, COMPLETED = 8;

  private final MemoryModel model;

  GrantModel(MemoryModel model) {
    this.model = model;
  }

  private ModelFrame frame(long mfn) {
    return model.frames.frames.get(mfn);
  }

  // ---- entries

  private ModelFrame table(ModelDomain d) {
    return frame(d.grantFrame);
  }

  private static boolean exists(int ref) {
    return ref >= 0 && ref < REFS;
  }

  private static int domidOf(long entry) {
    return (int) (entry >>> 16) & 0xFFFF;
  }

  /** Begins a use of a grant; OKAY, or why not. */
  private int pin(ModelDomain granter, int ref, int grantee, boolean writable) {
    if (!exists(ref)) {
      return BAD_REF;
    }
    Optional<ModelDomain.Pin> old = Optional.ofNullable(granter.pins.get(ref));
    if (old.isPresent() && old.get().grantee() != grantee) {
      return GENERAL_ERROR;
    }
    long entry = table(granter).words[ref];
    if (old.isEmpty() || writable && old.get().writers() == 0) {
      boolean permitted =
          (entry & (TYPE | SUB_PAGE)) == PERMIT
              && domidOf(entry) == grantee
              && !(writable && (entry & ENTRY_READONLY) != 0);
      if (!permitted) {
        return GENERAL_ERROR;
      }
      table(granter).set(ref, entry | READING | (writable ? WRITING : 0));
    }
    ModelDomain.Pin pin = old.orElse(new ModelDomain.Pin(grantee, entry >>> 32, 0, 0));
    granter.pins.put(ref, pin.with(writable ? 0 : 1, writable ? 1 : 0));
    return OKAY;
  }

  /** Ends a use; a table that is gone is nobody's to mark. */
  private void unpin(int granterDomid, int ref, boolean writable) {
    ModelDomain granter = model.domain(granterDomid);
    if (granter == null) {
      return;
    }
    ModelDomain.Pin left = granter.pins.get(ref).with(writable ? 0 : -1, writable ? -1 : 0);
    boolean last = left.readers() + left.writers() == 0;
    if (last) {
      granter.pins.remove(ref);
    } else {
      granter.pins.put(ref, left);
    }
    long clear = (writable && left.writers() == 0 ? WRITING : 0) | (last ? READING : 0);
    table(granter).set(ref, table(granter).words[ref] & ~clear);
  }

  /** Whether references on a frame can be had. */
  private boolean canHold(long mfn, int owner, boolean writable) {
    ModelFrame f = frame(mfn);
    return f != null && f.owner == owner && !(writable && f.typeCount > 0 && f.type != WRITABLE);
  }

  private void hold(long mfn, boolean writable) {
    ModelFrame f = frame(mfn);
    f.references++;
    if (writable) {
      model.frames.takeType(f, WRITABLE);
    }
  }

  private void letGo(long mfn, boolean writable) {
    model.close(mfn, writable);
  }

  /** Begins a use and holds the frame. */
  private int acquire(ModelDomain granter, int ref, int grantee, boolean writable) {
    int status = pin(granter, ref, grantee, writable);
    if (status == OKAY && !canHold(granter.pins.get(ref).mfn(), granter.domid, writable)) {
      unpin(granter.domid, ref, writable);
      return BAD_PAGE;
    }
    if (status == OKAY) {
      hold(granter.pins.get(ref).mfn(), writable);
    }
    return status;
  }

  private void release(int granter, int ref, long mfn, boolean writable) {
    letGo(mfn, writable);
    unpin(granter, ref, writable);
  }

  // ---- places

  /** An entry of a table of leaves in use. */
  private record Place(ModelFrame table, int index) {
    long entry() {
      return table.words[index];
    }
  }

  private Optional<Place> place(int domid, long address, boolean containsPte) {
    try {
      if (containsPte) {
        ModelFrame table = model.frames.own(address >>> 12, domid);
        return (address & 7) == 0 && table.isInUseAs(1)
            ? Optional.of(new Place(table, (int) (address >>> 3) & 511))
            : Optional.empty();
      }
      return FrameModel.addressOk(address, 1)
          ? Optional.of(
              new Place(
                  model.frames.leafTable(model.table(domid), address, domid),
                  Pte.index(address, 1)))
          : Optional.empty();
    } catch (Refused notThere) {
      return Optional.empty();
    }
  }

  private static boolean maps(Place place, long mfn, boolean writable) {
    long entry = place.entry();
    return isPresent(entry) && Pte.mfn(entry) == mfn && isWritable(entry) == writable;
  }

  // ---- operations on one element; each answers with a grant status

  /**
   * map_grant_ref, without its status.
   *
   * @param at where the operation is told what came of it
   * @param handles says what the hypervisor has called the mapping that it has made
   */
  int map(int domid, long at, long[] w, IntSupplier handles) {
    long address = w[0];
    int flags = (int) w[1];
    int ref = (int) (w[1] >>> 32);
    int granterDomid = (int) w[2] & 0xFFFF;
    boolean writable = (flags & READONLY) == 0;
    boolean host = (flags & HOST) != 0;
    boolean device = (flags & DEVICE) != 0;
    if (!host && !device) {
      return BAD_REF;
    }
    ModelDomain granter = model.domain(granterDomid);
    if (granter == null) {
      return BAD_DOMAIN;
    }
    int status = device ? acquire(granter, ref, domid, writable) : OKAY;
    if (status == OKAY && host) {
      status = mapHost(domid, address, flags, ref, granter);
      if (status != OKAY && device) {
        release(granterDomid, ref, granter.pins.get(ref).mfn(), writable);
      }
    }
    if (status == OKAY) {
      long mfn = granter.pins.get(ref).mfn();
      boolean pte = (flags & CONTAINS_PTE) != 0;
      int handle = handles.getAsInt();
      ModelDomain.GrantMapping mapping =
          new ModelDomain.GrantMapping(granterDomid, ref, mfn, writable, host, device, pte);
      if (model.domain(domid).handles.put(handle, mapping) != null) {
        throw new AssertionError("a handle was given out twice: handle=" + handle);
      }
      model.frames.write32(model.table(domid), at + 20, handle);
      model.frames.write32(model.table(domid), at + 24, (int) (mfn << 12));
      model.frames.write32(model.table(domid), at + 28, (int) (mfn >>> 20));
    }
    return status;
  }

  private int mapHost(int domid, long address, int flags, int ref, ModelDomain granter) {
    boolean writable = (flags & READONLY) == 0;
    int status = acquire(granter, ref, domid, writable);
    if (status != OKAY) {
      return status;
    }
    long mfn = granter.pins.get(ref).mfn();
    Optional<Place> found = place(domid, address, (flags & CONTAINS_PTE) != 0);
    if (found.isEmpty()) {
      release(granter.domid, ref, mfn, writable);
      return GENERAL_ERROR;
    }
    long bits = Pte.P | Pte.A | Pte.D | Pte.NX | (writable ? Pte.W : 0);
    bits |= (flags & APPLICATION) != 0 ? Pte.U : 0;
    bits |= ((long) flags >>> 16 & 7) << 9;
    Place place = found.get();
    long old = place.entry();
    place.table.set(place.index, FrameModel.adjusted(Pte.of(mfn, bits), 1));
    if (isPresent(old)) {
      model.frames.dropEntry(place.table, 1, old);
    }
    return OKAY;
  }

  /** unmap_grant_ref. */
  int unmap(int domid, long[] w) {
    long hostAddress = w[0];
    long deviceAddress = w[1];
    int handle = (int) w[2];
    ModelDomain d = model.domain(domid);
    ModelDomain.GrantMapping m = d.handles.get(handle);
    if (m == null) {
      return BAD_HANDLE;
    }
    boolean device = deviceAddress != 0 && m.device();
    boolean host = hostAddress != 0 && m.host();
    if (device && deviceAddress != m.mfn() << 12) {
      return BAD_DEVICE_ADDRESS;
    }
    Optional<Place> place = host ? place(domid, hostAddress, m.containsPte()) : Optional.empty();
    if (host && (place.isEmpty() || !maps(place.get(), m.mfn(), m.writable()))) {
      return GENERAL_ERROR;
    }
    if (host) {
      place.get().table.set(place.get().index, 0);
      release(m.granter(), m.ref(), m.mfn(), m.writable());
      model.owedToAll(domid);
    }
    if (device) {
      release(m.granter(), m.ref(), m.mfn(), m.writable());
    }
    left(d, handle, m.host() && !host, m.device() && !device);
    return OKAY;
  }

  private static void left(ModelDomain d, int handle, boolean host, boolean device) {
    ModelDomain.GrantMapping m = d.handles.remove(handle);
    if (host || device) {
      d.handles.put(
          handle,
          new ModelDomain.GrantMapping(
              m.granter(), m.ref(), m.mfn(), m.writable(), host, device, m.containsPte()));
    }
  }

  /** unmap_and_replace. */
  int unmapAndReplace(int domid, long[] w) {
    long hostAddress = w[0];
    long newAddress = w[1];
    int handle = (int) w[2];
    ModelDomain d = model.domain(domid);
    ModelDomain.GrantMapping m = d.handles.get(handle);
    if (m == null) {
      return BAD_HANDLE;
    }
    Optional<Place> place = place(domid, hostAddress, false);
    Optional<Place> source = place(domid, newAddress, false);
    if (!m.host()
        || m.containsPte()
        || hostAddress == 0
        || place.isEmpty()
        || source.isEmpty()
        || place.equals(source)
        || !maps(place.get(), m.mfn(), m.writable())) {
      return GENERAL_ERROR;
    }
    place.get().table.set(place.get().index, source.get().entry());
    source.get().table.set(source.get().index, 0);
    release(m.granter(), m.ref(), m.mfn(), m.writable());
    model.owedToAll(domid);
    left(d, handle, false, m.device());
    return OKAY;
  }

  /** transfer. */
  int transfer(int domid, long[] w) {
    long mfn = w[0];
    int receiverDomid = (int) w[1] & 0xFFFF;
    int ref = (int) (w[1] >>> 32);
    ModelFrame f = frame(mfn);
    if (f == null
        || f.owner != domid
        || f.special
        || !f.allocated
        || f.references != 1
        || f.typeCount != 0) {
      return BAD_PAGE;
    }
    f.type = WRITABLE; // what it was good for is forgotten
    f.settled = true;
    ModelDomain receiver = model.domain(receiverDomid);
    if (receiver == null) {
      return BAD_DOMAIN;
    }
    long has = model.reservations.pages(receiverDomid) - (receiverDomid == domid ? 1 : 0);
    if (has >= receiver.maxPages
        || !exists(ref)
        || receiver.pins.containsKey(ref)
        || (table(receiver).words[ref] & 0xFFFF_FFFFL) != (ACCEPT | (long) domid << 16)) {
      return GENERAL_ERROR;
    }
    table(receiver).set(ref, ACCEPT | COMMITTED | COMPLETED | (long) domid << 16 | mfn << 32);
    f.owner = receiverDomid;
    f.pfn = -1;
    return OKAY;
  }

  /** One side of a copy. */
  record Side(long name, int domid, boolean isRef, int offset) {
    static Side of(long name, long domidAndOffset, boolean isRef) {
      int offset = (int) (domidAndOffset >>> 16) & 0xFFFF;
      return new Side(isRef ? (int) name : name, (int) domidAndOffset & 0xFFFF, isRef, offset);
    }
  }

  /** copy. */
  int copy(int domid, long[] w) {
    Side from = Side.of(w[0], w[1], (w[4] & 1 << 16) != 0);
    Side to = Side.of(w[2], w[3], (w[4] & 2 << 16) != 0);
    int length = (int) w[4] & 0xFFFF;
    boolean strange =
        !from.isRef && from.domid != MemoryModel.SELF || !to.isRef && to.domid != MemoryModel.SELF;
    if (strange) {
      return DENIED;
    }
    if (from.offset + length > 4096 || to.offset + length > 4096) {
      return BAD_COPY;
    }
    int status = begin(domid, from, false);
    if (status != OKAY) {
      return status;
    }
    long[] words = frame(mfn(domid, from)).words.clone();
    status = begin(domid, to, true);
    if (status == OKAY) {
      ModelFrame target = frame(mfn(domid, to));
      for (int i = 0; i < length / 8; i++) {
        target.set(to.offset / 8 + i, words[from.offset / 8 + i]);
      }
      end(domid, to, true);
    }
    end(domid, from, false);
    return status;
  }

  /** Whether what a side names has words that are not compared. */
  boolean isOpaque(int domid, Side side) {
    long mfn = side.name;
    ModelDomain d = named(domid, side);
    if (side.isRef && d != null && exists((int) side.name)) {
      ModelDomain.Pin pin = d.pins.get((int) side.name);
      mfn = pin != null ? pin.mfn() : table(d).words[(int) side.name] >>> 32;
    }
    ModelFrame f = frame(mfn);
    return f != null && f.opaque;
  }

  private ModelDomain named(int domid, Side side) {
    return model.domain(side.domid == MemoryModel.SELF ? domid : side.domid);
  }

  private long mfn(int domid, Side side) {
    return side.isRef ? named(domid, side).pins.get((int) side.name).mfn() : side.name;
  }

  private int begin(int domid, Side side, boolean writable) {
    ModelDomain d = named(domid, side);
    if (d == null) {
      return BAD_DOMAIN;
    }
    if (side.isRef) {
      return acquire(d, (int) side.name, domid, writable);
    }
    if (!canHold(side.name, d.domid, writable)) {
      return BAD_PAGE;
    }
    hold(side.name, writable);
    return OKAY;
  }

  private void end(int domid, Side side, boolean writable) {
    if (side.isRef) {
      release(named(domid, side).domid, (int) side.name, mfn(domid, side), writable);
    } else {
      letGo(side.name, writable);
    }
  }

  /** swap_grant_ref. */
  int swap(int domid, long[] w) {
    int a = (int) w[0];
    int b = (int) (w[0] >>> 32);
    ModelDomain d = model.domain(domid);
    if (!exists(a) || !exists(b)) {
      return BAD_REF;
    }
    if (a != b && (d.pins.containsKey(a) || d.pins.containsKey(b))) {
      return AGAIN;
    }
    long entry = table(d).words[a];
    table(d).set(a, table(d).words[b]);
    table(d).set(b, entry);
    return OKAY;
  }

  // ---- arrays

  /** What is done with one element. */
  @FunctionalInterface
  interface Element {
    /**
     * Answers with a grant status.
     *
     * @param at where the element is
     * @param words as they were read from there
     */
    int carryOut(long at, long[] words);
  }

  /**
   * An array of operations, of so few elements that all are checked at once.
   *
   * @param statusAt where in an element the status goes
   */
  int batch(int domid, long array, int count, int size, int statusAt, Element each) {
    int error =
        model.attempt(() -> {
          for (long at = array; at < array + (long) count * size; at += 8) {
            model.requireWritable(domid, at);
          }
        });
    for (int i = 0; i < count && error == 0; i++) {
      long at = array + (long) i * size;
      long[] words = new long[Math.ceilDiv(size, 8)];
      error =
          model.attempt(() -> {
            for (int word = 0; word < words.length; word++) {
              words[word] = model.read(domid, at + 8L * word);
            }
          });
      if (error == 0) {
        error = told(domid, at, statusAt, words, each);
      }
    }
    return error == 0 ? 0 : -EFAULT;
  }

  /** What is done stays done, though the caller may have made it impossible to tell. */
  private int told(int domid, long at, int statusAt, long[] words, Element each) {
    try {
      int status = each.carryOut(at, words);
      model.frames.write16(model.table(domid), at + statusAt, status);
      return 0;
    } catch (Refused unmapped) {
      return -unmapped.errno;
    }
  }

  // ---- the end

  /** A domain lets go of all that it has mapped; what page tables hold goes with them. */
  void end(int domid) {
    for (Map.Entry<Integer, ModelDomain.GrantMapping> each :
        model.domain(domid).handles.entrySet()) {
      ModelDomain.GrantMapping m = each.getValue();
      if (m.host()) {
        unpin(m.granter(), m.ref(), m.writable());
      }
      if (m.device()) {
        release(m.granter(), m.ref(), m.mfn(), m.writable());
      }
    }
  }
}
