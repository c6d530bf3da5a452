package dev.domus.kernel.console;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The last {@value #SIZE} bytes that were written to the machine's console: by privileged domains
 * with console_io, to be read with the sysctl readconsole. A writer never waits and never fails;
 * what is not read in time is overwritten.
 *
 * <p>Positions count all bytes ever written, modulo 2<sup>32</sup>, as the ABI's index does.
 * Thread-safe.
 */
public final class MachineConsole {
  /** How much is kept, in bytes. */
  public static final int SIZE = 1 << 14;

  private final byte[] ring = new byte[SIZE];
  private int produced;
  private int kept;

  /** Makes it, empty. */
  public MachineConsole() {}

  /** Appends the first bytes of a buffer. */
  public synchronized void write(MemorySegment bytes, int length) {
    for (int i = 0; i < length; i++) {
      ring[produced++ & SIZE - 1] = bytes.get(ValueLayout.JAVA_BYTE, i);
    }
    kept = Math.min(SIZE, kept + length);
  }

  /**
   * Copies what is kept, from a position on or as far back as it goes.
   *
   * @param from where the reader is; what is gone since is skipped. Any number.
   * @param target receives the bytes, as many as fit
   * @return how many bytes were copied, in the low half; the position behind them in the high half
   */
  public synchronized long read(int from, MemorySegment target) {
    int oldest = produced - kept;
    int at = from - oldest >= 0 && produced - from >= 0 ? from : oldest;
    int count = (int) Math.min(produced - at, target.byteSize());
    for (int i = 0; i < count; i++) {
      target.set(ValueLayout.JAVA_BYTE, i, ring[at++ & SIZE - 1]);
    }
    return (long) at << 32 | count;
  }

  /** The position of the oldest byte that is kept. */
  public synchronized int oldest() {
    return produced - kept;
  }

  /** Forgets everything. */
  public synchronized void clear() {
    kept = 0;
  }
}
