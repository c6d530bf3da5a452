package dev.domus.toolstack.image;

import dev.domus.toolstack.BadInputException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * The bytes of a file that goes into a guest: a kernel or a ramdisk.
 *
 * <p>A regular file is mapped, so that loading 100 MiB costs one copy from the page cache into
 * guest memory. What is not a regular file (a pipe, {@code /dev/stdin}) is read into memory. A
 * mapped file that somebody cuts short afterwards makes the JVM throw InternalError at the access;
 * whoever copies contents turns that into a message ({@link #changed}).
 */
public final class ImageFile implements AutoCloseable {
  private static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path path;
  private final Arena arena;
  private final MemorySegment bytes;

  private ImageFile(Path path, Arena arena, MemorySegment bytes) {
    this.path = path;
    this.arena = arena;
    this.bytes = bytes;
  }

  /**
   * Opens a file.
   *
   * @throws BadInputException if it cannot be read or is empty
   */
  public static ImageFile open(Path path) throws BadInputException {
    if (path.toString().isEmpty()) {
      throw new BadInputException("a file name is missing: it is empty");
    }
    if (Files.isDirectory(path)) {
      throw new BadInputException(path + ": is a directory, a file is needed");
    }
    Arena arena = Arena.ofShared();
    try {
      MemorySegment bytes = read(path, arena);
      if (bytes.byteSize() == 0) {
        throw new BadInputException(path + ": is empty");
      }
      return new ImageFile(path, arena, bytes.asReadOnly());
    } catch (NoSuchFileException e) {
      arena.close();
      throw new BadInputException(path + ": no such file");
    } catch (AccessDeniedException e) {
      arena.close();
      throw new BadInputException(
          path
              + ": permission denied: it has to be readable for "
              + System.getProperty("user.name"));
    } catch (IOException e) {
      arena.close();
      throw new BadInputException(path + ": cannot be read: " + e.getMessage());
    } catch (BadInputException e) {
      arena.close();
      throw e;
    }
  }

  /** Contents that are in memory already, under a name for messages. */
  static ImageFile of(Path name, byte[] contents) {
    return new ImageFile(name, Arena.ofShared(), MemorySegment.ofArray(contents).asReadOnly());
  }

  private static MemorySegment read(Path path, Arena arena) throws IOException {
    if (Files.isRegularFile(path)) {
      try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
        return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      }
    }
    try (InputStream stream = Files.newInputStream(path)) {
      return MemorySegment.ofArray(stream.readAllBytes());
    }
  }

  /** Where the file is. */
  public Path path() {
    return path;
  }

  /** Its length in bytes. */
  public long size() {
    return bytes.byteSize();
  }

  /** A part of its contents; the caller has checked that it lies in the file. */
  public MemorySegment slice(long offset, long length) {
    return bytes.asSlice(offset, length);
  }

  /** The message for an access that found the file shorter than it was when it was opened. */
  public BadInputException changed() {
    return bad(
        "was cut short while it was being read; it had " + size() + " bytes when it was opened");
  }

  /** A complaint about this file. */
  BadInputException bad(String complaint) {
    return new BadInputException(path + ": " + complaint);
  }

  /** Whether a range lies in the file; offset and length are unsigned. */
  boolean holds(long offset, long length) {
    return offset >= 0 && length >= 0 && offset <= size() && length <= size() - offset;
  }

  int u8(long offset) {
    return bytes.get(ValueLayout.JAVA_BYTE, offset) & 0xFF;
  }

  int u16(long offset) {
    return bytes.get(U16, offset) & 0xFFFF;
  }

  /** Reads four bytes as a signed int: enough where values are compared for equality. */
  int i32(long offset) {
    return bytes.get(U32, offset);
  }

  long u32(long offset) {
    return bytes.get(U32, offset) & 0xFFFF_FFFFL;
  }

  long u64(long offset) {
    return bytes.get(U64, offset);
  }

  @Override
  public void close() {
    arena.close();
  }
}
