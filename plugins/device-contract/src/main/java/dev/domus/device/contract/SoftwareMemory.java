package dev.domus.device.contract;

import dev.domus.iommu.DmaPort;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Memory as a device sees it through an IOMMU: pages at whatever addresses the test gives them, and
 * faults everywhere else. An access may cross pages; one that faults has moved what lies before the
 * page that it faulted on, as on real hardware. Thread-safe as memory is: aligned words are whole.
 */
public final class SoftwareMemory implements DmaPort {
  /** Bytes of a page. */
  public static final int PAGE = 4096;

  /** What an access to a page that is not there, or not for this, returns (Intel VT-d, 7.1.3). */
  public static final int NO_WRITE = 5, NO_READ = 6;

  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

  private record Page(MemorySegment bytes, boolean readable, boolean writable) {}

  private final ConcurrentHashMap<Long, Page> pages = new ConcurrentHashMap<>();
  private final AtomicLong faults = new AtomicLong();
  private final Runnable written;
  private volatile boolean cut;

  /**
   * No page is there.
   *
   * @param written called after each write by the device
   */
  SoftwareMemory(Runnable written) {
    this.written = written;
  }

  // ---- the IOMMU's side

  /** Pages at these addresses, zeroed, to be read and written. */
  public void map(long address, int count) {
    map(address, count, true, true);
  }

  /** Pages at these addresses, zeroed. */
  public void map(long address, int count, boolean readable, boolean writable) {
    for (int i = 0; i < count; i++) {
      pages.put(
          address / PAGE + i,
          new Page(MemorySegment.ofArray(new long[PAGE / Long.BYTES]), readable, writable));
    }
  }

  /** No pages at these addresses any more. */
  public void unmap(long address, int count) {
    for (int i = 0; i < count; i++) {
      pages.remove(address / PAGE + i);
    }
  }

  /** The device's access ends (or is given back): whatever it does faults. */
  void cut(boolean isCut) {
    cut = isCut;
  }

  /** Accesses of the device that faulted. */
  public long faults() {
    return faults.get();
  }

  // ---- software's side

  /** A word of 8 bytes; what the device wrote before it is seen by who sees it. */
  public long getLong(long address) {
    return (long) LONG.getAcquire(page(address), address % PAGE);
  }

  /** A word of 4 bytes; as {@link #getLong}. */
  public int getInt(long address) {
    return (int) INT.getAcquire(page(address), address % PAGE);
  }

  /** Sets a word of 8 bytes. */
  public void putLong(long address, long value) {
    LONG.setRelease(page(address), address % PAGE, value);
  }

  /** Sets a word of 4 bytes. */
  public void putInt(long address, int value) {
    INT.setRelease(page(address), address % PAGE, value);
  }

  /** Bytes, which may lie in several pages. */
  public byte[] get(long address, int bytes) {
    byte[] to = new byte[bytes];
    copy(address, MemorySegment.ofArray(to), 0, bytes, true, false);
    return to;
  }

  /** Sets bytes, which may lie in several pages. */
  public void put(long address, byte[] from) {
    copy(address, MemorySegment.ofArray(from), 0, from.length, false, false);
  }

  private MemorySegment page(long address) {
    Page page = pages.get(Long.divideUnsigned(address, PAGE));
    if (page == null) {
      throw new IllegalArgumentException("the test has no page there: address=0x%x".formatted(address));
    }
    return page.bytes;
  }

  // ---- the device's side

  @Override
  public int read(long iova, MemorySegment into, long offset, long bytes) {
    return copy(iova, into, offset, bytes, true, true);
  }

  @Override
  public int write(long iova, MemorySegment from, long offset, long bytes) {
    int fault = copy(iova, from, offset, bytes, false, true);
    written.run();
    return fault;
  }

  @Override
  public int fill(long iova, long length, byte value) {
    byte[] bytes = new byte[Math.toIntExact(length)];
    java.util.Arrays.fill(bytes, value);
    return write(iova, MemorySegment.ofArray(bytes), 0, length);
  }

  @Override
  public int storeInt(long iova, int value) {
    return write(iova, MemorySegment.ofArray(new int[] {value}), 0, Integer.BYTES);
  }

  @Override
  public int storeLong(long iova, long value) {
    return write(iova, MemorySegment.ofArray(new long[] {value}), 0, Long.BYTES);
  }

  @Override
  public int loadInt(long iova, MemorySegment into, long at) {
    return read(iova, into, at, Integer.BYTES);
  }

  @Override
  public int copy(long from, long to, long length) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[Math.toIntExact(length)]);
    int fault = read(from, bytes, 0, length);
    return fault != 0 ? fault : write(to, bytes, 0, length);
  }

  private int copy(
      long address, MemorySegment other, long offset, long bytes, boolean read, boolean device) {
    VarHandle.fullFence();
    long done = 0;
    while (done < bytes) {
      long at = address + done;
      Page page = pages.get(Long.divideUnsigned(at, PAGE));
      if (page == null || device && (cut || !(read ? page.readable : page.writable))) {
        if (!device) {
          throw new IllegalArgumentException("the test has no page there: address=0x%x".formatted(at));
        }
        faults.incrementAndGet();
        return read ? NO_READ : NO_WRITE;
      }
      long inPage = Long.remainderUnsigned(at, PAGE);
      long piece = Math.min(bytes - done, PAGE - inPage);
      if (read) {
        MemorySegment.copy(page.bytes, inPage, other, offset + done, piece);
      } else {
        MemorySegment.copy(other, offset + done, page.bytes, inPage, piece);
      }
      done += piece;
    }
    VarHandle.fullFence();
    return 0;
  }
}
