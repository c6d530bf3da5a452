package dev.domus.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The machine-to-physical table (M2P): for each machine frame, the guest frame number that its
 * owner wants it known by.
 *
 * <p>One {@code u64} a frame, in machine frames of the hypervisor's own, because guests read it
 * through their page tables at 0xFFFF800000000000 (xen-pv-abi.md, section 1). Owners set it by
 * hypercall; the hypervisor believes nothing in it. It begins as {@link #INVALID} throughout.
 *
 * <p>Thread-safe: an entry is read and written whole, and a write is seen by guests in program
 * order.
 */
public final class MachineToPhys {
  /** Entry of a frame that is no guest frame. */
  public static final long INVALID = -1;

  /** Entry of a frame shared by several domains. */
  public static final long SHARED = -2;

  private static final int ENTRIES_A_FRAME = MachineMemory.FRAME_BYTES / Long.BYTES;
  private static final VarHandle ENTRY =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

  private final MemorySegment table;
  private final long firstFrame;
  private final long frameCount;

  /**
   * Makes the table in frames that nobody uses, and assigns those to the hypervisor.
   *
   * @param memory the machine's memory
   * @param frames its frame table
   * @param firstFrame where the table begins; the allocator is made afterwards, from {@link
   *     #endFrame} on
   */
  public MachineToPhys(MachineMemory memory, FrameTable frames, long firstFrame) {
    this.firstFrame = firstFrame;
    frameCount = Math.ceilDiv(memory.frames(), ENTRIES_A_FRAME);
    for (long mfn = firstFrame; mfn < endFrame(); mfn++) {
      frames.assign(mfn, FrameTable.HYPERVISOR);
    }
    table =
        memory
            .segment()
            .asSlice(
                firstFrame << MachineMemory.FRAME_SHIFT, frameCount << MachineMemory.FRAME_SHIFT);
    table.fill((byte) 0xFF);
  }

  /** The first frame that holds the table. */
  public long firstFrame() {
    return firstFrame;
  }

  /** The frame after the last one that holds the table. */
  public long endFrame() {
    return firstFrame + frameCount;
  }

  /**
   * The guest frame number recorded for a machine frame, or {@link #INVALID} or {@link #SHARED}.
   */
  public long pfn(long mfn) {
    return (long) ENTRY.getAcquire(table, mfn << 3);
  }

  /** Records any value for a machine frame. */
  public void set(long mfn, long pfn) {
    ENTRY.setRelease(table, mfn << 3, pfn);
  }

  /** Records that a machine frame is no guest frame. */
  public void clear(long mfn) {
    set(mfn, INVALID);
  }
}
