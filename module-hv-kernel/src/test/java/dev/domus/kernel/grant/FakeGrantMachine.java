package dev.domus.kernel.grant;

import dev.domus.kernel.abi.GrantEntryLayout;
import dev.domus.kernel.mmu.FrameReferences;
import dev.domus.kernel.mmu.TransferableFrames;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** Real machine memory and a real frame table under domains that consist of a grant table. */
public final class FakeGrantMachine implements GrantMachine, FrameReferences, AutoCloseable {
  public static final int FRAMES = 256;

  final MachineMemory memory = MachineMemory.reserve((long) FRAMES << 12);
  final FrameTable table = new FrameTable(FRAMES);
  final FrameAllocator allocator = new FrameAllocator(memory, table, 1);
  final CodeFrames code = new CodeFrames(FRAMES);
  final Map<Integer, GrantTable> tables = new ConcurrentHashMap<>();

  public GrantTable domain(int domid) {
    GrantTable grants = new GrantTable(domid, 2, this);
    tables.put(domid, grants);
    return grants;
  }

  public long ram(int domid) {
    long mfn = allocator.allocate(0);
    table.assign(mfn, domid);
    return mfn;
  }

  /** Writes an entry as the granting guest would. */
  public void grant(GrantTable granter, int ref, int flags, int domid, long mfn) {
    granter.grow(ref / GrantEntryLayout.PER_FRAME + 1);
    long at = entry(granter, ref);
    memory.segment().set(ValueLayout.JAVA_INT, at + GrantEntryLayout.FRAME, (int) mfn);
    memory.segment().set(ValueLayout.JAVA_INT, at, flags | domid << 16);
  }

  public int flags(GrantTable granter, int ref) {
    return memory.segment().get(ValueLayout.JAVA_INT, entry(granter, ref)) & 0xFFFF;
  }

  void setFlags(GrantTable granter, int ref, int flags) {
    memory.segment().set(ValueLayout.JAVA_SHORT, entry(granter, ref), (short) flags);
  }

  /** Writes an entry of version 2 as the granting guest would. */
  void grantV2(GrantTable granter, int ref, int flags, int domid, int part, long frame) {
    long at = entryV2(granter, ref);
    memory.segment().set(ValueLayout.JAVA_LONG, at + GrantEntryLayout.FRAME_V2, frame);
    memory.segment().set(ValueLayout.JAVA_INT, at + GrantEntryLayout.PART_OFFSET, part);
    memory.segment().set(ValueLayout.JAVA_INT, at, flags | domid << 16);
  }

  int headerV2(GrantTable granter, int ref) {
    return memory.segment().get(ValueLayout.JAVA_INT, entryV2(granter, ref));
  }

  int status(GrantTable granter, int ref) {
    return memory.segment().get(ValueLayout.JAVA_SHORT, statusAt(granter, ref));
  }

  static long statusAt(GrantTable granter, int ref) {
    return (granter.statusFrames()[ref / GrantEntryLayout.STATUSES_PER_FRAME] << 12)
        + (long) ref % GrantEntryLayout.STATUSES_PER_FRAME * GrantEntryLayout.STATUS_SIZE;
  }

  static long entryV2(GrantTable granter, int ref) {
    return (granter.frame(ref / GrantEntryLayout.PER_FRAME_V2) << 12)
        + (long) ref % GrantEntryLayout.PER_FRAME_V2 * GrantEntryLayout.SIZE_V2;
  }

  static long entry(GrantTable granter, int ref) {
    return (granter.frame(ref / GrantEntryLayout.PER_FRAME) << 12)
        + (long) ref % GrantEntryLayout.PER_FRAME * GrantEntryLayout.SIZE;
  }

  @Override
  public Optional<GrantTable> grants(int domid) {
    return Optional.ofNullable(tables.get(domid));
  }

  @Override
  public boolean mayControl(int callerDomid, int targetDomid) {
    return callerDomid == 0;
  }

  @Override
  public MemorySegment memory() {
    return memory.segment();
  }

  @Override
  public CodeFrames codeFrames() {
    return code;
  }

  @Override
  public FrameReferences frameReferences() {
    return this;
  }

  @Override
  public TransferableFrames frames() {
    throw new UnsupportedOperationException("there are no memory limits here");
  }

  @Override
  public boolean isSpecialMapped(long mfn) {
    return table.references(mfn) > 1;
  }

  @Override
  public long allocateSpecial(int domid) {
    long mfn = allocator.allocate(0);
    if (mfn >= 0) {
      table.assignSpecial(mfn, domid);
    }
    return mfn;
  }

  @Override
  public void freeSpecial(long mfn) {
    if (table.dropAllocation(mfn)) {
      put(mfn);
    }
  }

  @Override
  public boolean get(int domid, long mfn) {
    return table.exists(mfn) && table.get(mfn, domid);
  }

  @Override
  public void put(long mfn) {
    if (table.put(mfn)) {
      table.release(mfn);
      allocator.free(mfn, 0);
    }
  }

  @Override
  public boolean getWritable(int domid, long mfn) {
    if (!get(domid, mfn)) {
      return false;
    }
    if (table.takeType(mfn, FrameTable.WRITABLE) != FrameTable.TAKEN) {
      put(mfn);
      return false;
    }
    return true;
  }

  @Override
  public void putWritable(long mfn) {
    table.putType(mfn);
    put(mfn);
  }

  @Override
  public void close() {
    memory.close();
    table.close();
  }
}
