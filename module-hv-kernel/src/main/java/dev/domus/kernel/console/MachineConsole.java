package dev.domus.kernel.console;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/**
 * The machine's console.
 *
 * <p>Output: the last {@value #SIZE} bytes that were written, by the hypervisor and by privileged
 * domains with console_io, to be read with the sysctl readconsole. A writer never waits and never
 * fails; what is not read in time is overwritten.
 *
 * <p>Input: what was typed and not yet read with console_io, {@value #INPUT_SIZE} bytes at most;
 * what does not fit is not taken.
 *
 * <p>Positions count all bytes ever written, modulo 2<sup>32</sup>, as the ABI's index does.
 * Thread-safe.
 */
public final class MachineConsole {
  /** How much is kept, in bytes. */
  public static final int SIZE = 1 << 14;

  /** How much input waits at most, in bytes. */
  public static final int INPUT_SIZE = 1 << 12;

  private final byte[] ring = new byte[SIZE];
  private final byte[] input = new byte[INPUT_SIZE];
  private int typed, taken; // free-running
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

  /** Appends a line of the hypervisor's. */
  public void writeLine(String line) {
    byte[] bytes = (line + "\n").getBytes(StandardCharsets.US_ASCII);
    write(MemorySegment.ofArray(bytes), bytes.length);
  }

  /** Takes what is typed, as far as there is room. Returns how much, in bytes. */
  public synchronized int type(byte[] text) {
    int count = Math.min(text.length, INPUT_SIZE - waiting());
    for (int i = 0; i < count; i++) {
      input[typed++ & INPUT_SIZE - 1] = text[i];
    }
    return count;
  }

  /** How much input waits to be read, in bytes. */
  public synchronized int waiting() {
    return typed - taken;
  }

  /** Moves input out, as much as there is and fits. Returns how much, in bytes. */
  public synchronized int take(MemorySegment target) {
    int count = (int) Math.min(waiting(), target.byteSize());
    for (int i = 0; i < count; i++) {
      target.set(ValueLayout.JAVA_BYTE, i, input[taken++ & INPUT_SIZE - 1]);
    }
    return count;
  }

  /** Forgets all output. */
  public synchronized void clear() {
    kept = 0;
  }
}
