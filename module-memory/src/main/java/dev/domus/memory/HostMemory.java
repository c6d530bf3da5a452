package dev.domus.memory;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A range of memory from the host: zero at first, committed on first touch where the host can, with
 * one lifetime.
 *
 * <p>Two kinds: a file-backed one that other mappings can share (a memfd), and a plain one. Both
 * fall back to an arena's allocation where the Linux calls are not there; that commits and zeroes
 * everything at once, and nothing else differs.
 *
 * <p>The segment belongs to a shared arena. Closing it makes every later access throw, waits for
 * accesses in flight, and only then unmaps, so no thread ever reads an address that is gone.
 */
final class HostMemory implements AutoCloseable {
  /** Descriptor of memory that has none. */
  static final int NO_DESCRIPTOR = -1;

  /** The host's policy on huge pages for shared memory (admin-guide/mm/transhuge.rst). */
  static final Path SHMEM_POLICY = Path.of("/sys/kernel/mm/transparent_hugepage/shmem_enabled");

  private final Arena arena;
  private final MemorySegment segment;
  private final int descriptor;

  private HostMemory(Arena arena, MemorySegment segment, int descriptor) {
    this.arena = arena;
    this.segment = segment;
    this.descriptor = descriptor;
  }

  /** Reserves memory behind a descriptor, where the host has descriptors for memory. */
  static HostMemory shared(String name, long bytes) {
    if (!LinuxCalls.available()) {
      return allocated(name, bytes);
    }
    int fd = LinuxCalls.memfd(name, bytes);
    if (fd < 0) {
      throw new MachineMemoryException(name, bytes, "memfd_create: errno=" + -fd);
    }
    int flags = LinuxCalls.MAP_SHARED | LinuxCalls.MAP_NORESERVE;
    long address = LinuxCalls.map(bytes, flags, fd);
    if (isError(address)) {
      LinuxCalls.close(fd);
      throw new MachineMemoryException(name, bytes, "mmap: errno=" + -address);
    }
    return mapped(address, bytes, fd);
  }

  /** Reserves memory that only this process uses. */
  static HostMemory confidential(String name, long bytes) {
    if (!LinuxCalls.available()) {
      return allocated(name, bytes);
    }
    int flags = LinuxCalls.MAP_PRIVATE | LinuxCalls.MAP_ANONYMOUS | LinuxCalls.MAP_NORESERVE;
    long address = LinuxCalls.map(bytes, flags, NO_DESCRIPTOR);
    if (isError(address)) {
      throw new MachineMemoryException(name, bytes, "mmap: errno=" + -address);
    }
    return mapped(address, bytes, NO_DESCRIPTOR);
  }

  MemorySegment segment() {
    return segment;
  }

  /** The memory's file descriptor, or {@link #NO_DESCRIPTOR}. */
  int descriptor() {
    return descriptor;
  }

  /** Asks for huge pages; answers with the reason if the host will give none. */
  Optional<String> adviseHugePages() {
    if (descriptor == NO_DESCRIPTOR) {
      return Optional.of("they are asked for on Linux only");
    }
    int result = LinuxCalls.advise(segment.address(), segment.byteSize(), LinuxCalls.MADV_HUGEPAGE);
    if (result < 0) {
      return Optional.of("madvise: errno=" + -result);
    }
    return shmemPolicy()
        .filter(policy -> policy.equals("never") || policy.equals("deny"))
        .map(policy -> SHMEM_POLICY + " is " + policy);
  }

  /** The chosen word of the host's policy; the kernel takes the advice whatever it says. */
  private static Optional<String> shmemPolicy() {
    try {
      Matcher chosen = Pattern.compile("\\[(\\w+)]").matcher(Files.readString(SHMEM_POLICY));
      return chosen.find() ? Optional.of(chosen.group(1)) : Optional.empty();
    } catch (IOException e) { // not to be seen from here, a container's reason perhaps
      return Optional.empty();
    }
  }

  /** Makes a page-aligned range zero, giving its pages back to the host where that works. */
  void discard(long offset, long bytes) {
    MemorySegment range =
        segment.asSlice(offset, bytes); // bounds and liveness before the descriptor is used
    if (descriptor == NO_DESCRIPTOR || LinuxCalls.punchHole(descriptor, offset, bytes) != 0) {
      range.fill((byte) 0);
    }
  }

  @Override
  public void close() {
    arena.close();
  }

  private static boolean isError(long address) {
    return address < 0 && address >= -4095;
  }

  @SuppressWarnings("restricted") // turns the mapping just made into a segment
  private static HostMemory mapped(long address, long bytes, int fd) {
    Arena arena = Arena.ofShared();
    // Safety: the range was mapped a moment ago with exactly this size, and is unmapped only by
    // this arena's closing,
    // when no access through it can be under way any more. The descriptor goes last: unmapping does
    // not need it.
    MemorySegment segment =
        MemorySegment.ofAddress(address)
            .reinterpret(
                bytes,
                arena,
                gone -> {
                  LinuxCalls.unmap(address, bytes);
                  if (fd != NO_DESCRIPTOR) {
                    LinuxCalls.close(fd);
                  }
                });
    return new HostMemory(arena, segment, fd);
  }

  private static HostMemory allocated(String name, long bytes) {
    Arena arena = Arena.ofShared();
    try {
      return new HostMemory(arena, arena.allocate(bytes, MachineMemory.FRAME_BYTES), NO_DESCRIPTOR);
    } catch (
        OutOfMemoryError
            e) { // what the JDK makes of malloc's refusal; nothing of ours is half done here
      arena.close();
      throw new MachineMemoryException(name, bytes, "the JVM: " + e.getMessage());
    }
  }
}
