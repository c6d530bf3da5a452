package dev.domus.device.contract;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.IoDomain;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.RequesterId;
import dev.domus.iommu.UnitSettings;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A small machine's memory, as a device sees it through a real IOMMU: pages at whatever addresses
 * the test gives them, and faults everywhere else. Software looks at the same pages by the same
 * addresses.
 */
public final class SoftwareMemory implements AutoCloseable {
  /** Bytes of a page. */
  public static final int PAGE = MachineMemory.FRAME_BYTES;

  private static final int FRAMES = 8192;
  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

  private final MachineMemory machine = MachineMemory.reserve((long) FRAMES * PAGE);
  private final MemorySegment bytes = machine.segment();
  private final FrameTable frameTable = new FrameTable(FRAMES);
  private final FrameAllocator allocator = new FrameAllocator(machine, frameTable, 1);
  private final IommuUnit unit =
      new IommuUnit(machine, frameTable, allocator, new CodeFrames(FRAMES), UnitSettings.usual());
  private final IoDomain domain = unit.newDomain();
  private final DmaPort port;

  /** Machine frames by page of the I/O address. */
  private final ConcurrentHashMap<Long, Long> frames = new ConcurrentHashMap<>();

  /** No page is there. */
  SoftwareMemory(RequesterId device) {
    unit.attach(device, domain);
    port = unit.newPort(device);
  }

  // ---- the IOMMU's side

  /** The device's way to memory. */
  DmaPort port() {
    return port;
  }

  /** Pages at these addresses, zeroed, to be read and written. */
  public void map(long address, int count) {
    map(address, count, true, true);
  }

  /** Pages at these addresses, zeroed. */
  public void map(long address, int count, boolean readable, boolean writable) {
    for (int i = 0; i < count; i++) {
      long mfn = allocator.allocate(0);
      if (mfn == FrameAllocator.OUT_OF_MEMORY) {
        throw new IllegalStateException("the test's machine is full: frames=" + FRAMES);
      }
      bytes.asSlice(mfn * PAGE, PAGE).fill((byte) 0);
      int rights = (readable ? IoDomain.READ : 0) | (writable ? IoDomain.WRITE : 0);
      if (rights != 0 && domain.map(address + (long) i * PAGE, mfn, 1, rights) != IoDomain.OK) {
        throw new IllegalStateException(
            "the test maps it twice: address=0x%x".formatted(address + (long) i * PAGE));
      }
      frames.put(address / PAGE + i, mfn);
    }
  }

  /** Whether a page is there. */
  public boolean isMapped(long address) {
    return frames.containsKey(Long.divideUnsigned(address, PAGE));
  }

  /** No pages at these addresses any more. */
  public void unmap(long address, int count) {
    domain.unmap(address, count);
    for (int i = 0; i < count; i++) {
      allocator.free(frames.remove(address / PAGE + i), 0);
    }
  }

  /** The device's access ends (or is given back): whatever it does is refused. */
  void cut(boolean isCut) {
    if (isCut) {
      port.block();
    } else {
      port.unblock();
    }
  }

  /** Accesses of the device that faulted. */
  public long faults() {
    return unit.faults().total();
  }

  // ---- software's side

  /** The bytes of the page at an address, for who looks at it often. */
  public MemorySegment page(long address) {
    return bytes.asSlice(at(address & -PAGE), PAGE);
  }

  /** A word of 8 bytes; what the device wrote before it is seen by who sees it. */
  public long getLong(long address) {
    return (long) LONG.getAcquire(bytes, at(address));
  }

  /** A word of 4 bytes; as {@link #getLong}. */
  public int getInt(long address) {
    return (int) INT.getAcquire(bytes, at(address));
  }

  /** Sets a word of 8 bytes. */
  public void putLong(long address, long value) {
    LONG.setRelease(bytes, at(address), value);
  }

  /** Sets a word of 4 bytes. */
  public void putInt(long address, int value) {
    INT.setRelease(bytes, at(address), value);
  }

  /** Bytes, which may lie in several pages. */
  public byte[] get(long address, int count) {
    VarHandle.fullFence();
    MemorySegment to = MemorySegment.ofArray(new byte[count]);
    for (int done = 0, piece; done < count; done += piece) {
      piece = (int) Math.min(count - done, PAGE - (address + done) % PAGE);
      MemorySegment.copy(bytes, at(address + done), to, done, piece);
    }
    return to.toArray(ValueLayout.JAVA_BYTE);
  }

  /** Sets bytes, which may lie in several pages. */
  public void put(long address, byte[] from) {
    MemorySegment of = MemorySegment.ofArray(from);
    for (int done = 0, piece; done < from.length; done += piece) {
      piece = (int) Math.min(from.length - done, PAGE - (address + done) % PAGE);
      MemorySegment.copy(of, done, bytes, at(address + done), piece);
    }
    VarHandle.fullFence();
  }

  private long at(long address) {
    Long mfn = frames.get(Long.divideUnsigned(address, PAGE));
    if (mfn == null) {
      throw new IllegalArgumentException(
          "the test has no page there: address=0x%x".formatted(address));
    }
    return mfn * PAGE + Long.remainderUnsigned(address, PAGE);
  }

  /** Ends the device's access for good, and gives the memory back. */
  @Override
  public void close() {
    port.revoke();
    frameTable.close();
    machine.close();
  }
}
