package dev.domus.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * All memory of the machine: one range outside the Java heap, divided into 4 KiB frames. The byte
 * at machine address {@code ma} is at offset {@code ma} of {@link #segment}; machine frame {@code
 * mfn} begins at {@code mfn * 4096}.
 *
 * <p>On Linux the range is a memfd mapped shared: it can be mapped a second time (by KVM, by
 * another process), it costs nothing before the first touch, and {@link #decommit} gives frames
 * back to the host. Elsewhere it is one allocation, committed at once. Nothing above can tell the
 * difference but by the host's free memory.
 *
 * <p>Fresh memory is zero and so is memory after {@code decommit}; {@link FrameAllocator} relies on
 * both to zero no frame twice.
 *
 * <p>Thread-safe. {@link #close} may be called while others still use the segment: their accesses
 * throw {@link IllegalStateException} from then on, and the memory goes when the last access is
 * over.
 */
public final class MachineMemory implements AutoCloseable {
  /** Bytes a frame. */
  public static final int FRAME_BYTES = 4096;

  /** Binary logarithm of {@link #FRAME_BYTES}. */
  public static final int FRAME_SHIFT = 12;

  /** The most frames a machine can have: frame numbers are kept in 31 bits where space matters. */
  public static final long MAX_FRAMES = 1L << 30;

  private static final int SMALLEST_FRAMES = 16;
  private static final MemorySegment ZEROS =
      Arena.global().allocate(FRAME_BYTES, FRAME_BYTES).asReadOnly();

  private final HostMemory host;

  private MachineMemory(HostMemory host) {
    this.host = host;
  }

  /** Whether the host is asked to back the machine by huge pages. */
  public enum HugePages {
    /** Leave it to the host's own policy. */
    HOST_POLICY,
    /** Ask for them; refused where the host says that it will give none. */
    ASKED_FOR
  }

  /**
   * Reserves the memory of a machine, under the host's policy for huge pages.
   *
   * @param bytes size; a multiple of 4096, at least 64 KiB, at most 4 TiB
   * @throws IllegalArgumentException if the size is not of that kind
   * @throws MachineMemoryException if the host refuses
   */
  public static MachineMemory reserve(long bytes) {
    return reserve(bytes, HugePages.HOST_POLICY);
  }

  /**
   * Reserves the memory of a machine.
   *
   * @param bytes size; a multiple of 4096, at least 64 KiB, at most 4 TiB
   * @param hugePages whether to ask for huge pages: faster for guests that touch much memory, and
   *     memory is then committed in steps of 2 MiB
   * @throws IllegalArgumentException if the size is not of that kind
   * @throws MachineMemoryException if the host refuses the memory, or the huge pages
   */
  public static MachineMemory reserve(long bytes, HugePages hugePages) {
    long frames = bytes >>> FRAME_SHIFT;
    if ((bytes & FRAME_BYTES - 1) != 0 || frames < SMALLEST_FRAMES || frames > MAX_FRAMES) {
      throw new IllegalArgumentException(
          "machine memory must be a multiple of 4 KiB between 64 KiB and 4 TiB: bytes=" + bytes);
    }
    HostMemory host = HostMemory.shared("domus-machine-memory", bytes);
    if (hugePages == HugePages.ASKED_FOR) {
      host.adviseHugePages()
          .ifPresent(why -> {
            host.close();
            throw MachineMemoryException.noHugePages(why);
          });
    }
    return new MachineMemory(host);
  }

  /**
   * All machine memory. Whoever uses it raw has checked frame numbers against {@link #frames} and
   * owner first.
   */
  public MemorySegment segment() {
    return host.segment();
  }

  /** Number of machine frames; every valid frame number is below it. */
  public long frames() {
    return host.segment().byteSize() >>> FRAME_SHIFT;
  }

  /** The memfd behind the segment, or -1 where there is none. It stays this object's to close. */
  public int memfd() {
    return host.descriptor();
  }

  /**
   * Makes frames zero and gives the memory behind them back to the host; they stay usable.
   *
   * @param mfn the first frame
   * @param count how many
   * @throws IndexOutOfBoundsException if the machine has no such frames
   */
  public void decommit(long mfn, long count) {
    host.discard(mfn << FRAME_SHIFT, count << FRAME_SHIFT);
  }

  /** Makes one frame zero: by a copy, which takes about half as long as a fill on JDK 25. */
  public void scrub(long mfn) {
    MemorySegment.copy(ZEROS, 0, host.segment(), mfn << FRAME_SHIFT, FRAME_BYTES);
  }

  @Override
  public void close() {
    host.close();
  }
}
