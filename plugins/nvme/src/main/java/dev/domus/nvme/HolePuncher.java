package dev.domus.nvme;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Gives a file's space back by fallocate(2), which Java cannot. Only where this module was given
 * the right to native calls, on Linux, and where the file system can: otherwise there is none, and
 * deallocation, which is advice, is not followed.
 */
@SuppressWarnings("restricted") // Downcalls; each says why it is safe.
final class HolePuncher {
  private static final int O_RDWR = 2, O_CLOEXEC = 0x80000;
  private static final int KEEP_SIZE = 1, PUNCH_HOLE = 2;
  private static final int PROBE_BYTES = 4096;

  private final MethodHandle fallocate;
  private final MethodHandle close;
  private final int descriptor;

  private HolePuncher(MethodHandle fallocate, MethodHandle close, int descriptor) {
    this.fallocate = fallocate;
    this.close = close;
    this.descriptor = descriptor;
  }

  /**
   * Opens a file a second time.
   *
   * @param bytes its size: holes are tried out behind it, where there is nothing
   * @return empty if holes cannot be made in it
   */
  static Optional<HolePuncher> open(Path file, long bytes) {
    if (!System.getProperty("os.name").equals("Linux")
        || ADDRESS.byteSize() != Long.BYTES
        || !HolePuncher.class.getModule().isNativeAccessEnabled()) {
      return Optional.empty();
    }
    // Safe: open reads a terminated string that lives as long as the call, the others take numbers.
    MethodHandle open = call("open", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
    HolePuncher puncher;
    try (Arena arena = Arena.ofConfined()) {
      int descriptor =
          (int) open.invokeExact(arena.allocateFrom(file.toString()), O_RDWR | O_CLOEXEC);
      puncher =
          new HolePuncher(
              call(
                  "fallocate",
                  FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG)),
              call("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT)),
              descriptor);
      if (descriptor < 0) {
        return Optional.empty();
      }
    } catch (Throwable e) {
      throw new IllegalStateException("downcall of open: " + file, e);
    }
    try {
      puncher.punch(bytes + PROBE_BYTES & -PROBE_BYTES, PROBE_BYTES);
      return Optional.of(puncher);
    } catch (IOException notPossible) {
      puncher.close();
      return Optional.empty();
    }
  }

  private static MethodHandle call(String name, FunctionDescriptor type) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
  }

  /** The bytes read as zeros and take no space. */
  void punch(long at, long bytes) throws IOException {
    int result;
    try {
      result = (int) fallocate.invokeExact(descriptor, KEEP_SIZE | PUNCH_HOLE, at, bytes);
    } catch (Throwable e) {
      throw new IllegalStateException("downcall of fallocate", e);
    }
    if (result != 0) {
      throw new IOException("no hole could be made: offset=%d bytes=%d".formatted(at, bytes));
    }
  }

  void close() {
    try {
      int ignored = (int) close.invokeExact(descriptor);
    } catch (Throwable e) {
      throw new IllegalStateException("downcall of close", e);
    }
  }
}
