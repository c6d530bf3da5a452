package dev.domus.memory;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/**
 * The few Linux calls by which memory is had from the host (man 2 memfd_create, mmap, madvise,
 * fallocate, membarrier). None is on a hot path: each runs once a machine, once a batch of frames
 * given back, or when a window ends that another thread may be using.
 */
@SuppressWarnings(
    "restricted") // The one place of this module that makes downcalls; each says why it is safe.
final class LinuxCalls {
  static final int PROT_READ_WRITE = 1 | 2;
  static final int MAP_SHARED = 0x01,
      MAP_PRIVATE = 0x02,
      MAP_ANONYMOUS = 0x20,
      MAP_NORESERVE = 0x4000;
  static final int MADV_HUGEPAGE = 14;

  private static final int MFD_CLOEXEC = 1;
  private static final int FALLOC_FL_KEEP_SIZE = 1, FALLOC_FL_PUNCH_HOLE = 2;

  private static final StructLayout CAPTURE = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      CAPTURE.varHandle(MemoryLayout.PathElement.groupElement("errno"));

  private static final MethodHandle MEMFD_CREATE =
      call("memfd_create", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
  private static final MethodHandle FTRUNCATE =
      call("ftruncate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
  private static final MethodHandle MMAP =
      call(
          "mmap",
          FunctionDescriptor.of(
              ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
  private static final MethodHandle MUNMAP =
      call("munmap", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG));
  private static final MethodHandle MADVISE =
      call("madvise", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
  private static final MethodHandle FALLOCATE =
      call("fallocate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle CLOSE =
      call("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));

  /** membarrier(2) has no wrapper in the C library, and its number is the architecture's. */
  private static final long SYS_MEMBARRIER =
      switch (System.getProperty("os.arch")) {
        case "amd64", "x86_64" -> 324;
        case "aarch64", "riscv64" -> 283;
        default -> -1;
      };

  private static final int MEMBARRIER_PRIVATE_EXPEDITED = 1 << 3;
  private static final int MEMBARRIER_REGISTER_PRIVATE_EXPEDITED = 1 << 4;
  private static final MethodHandle MEMBARRIER =
      Linker.nativeLinker()
          .downcallHandle(
              Linker.nativeLinker().defaultLookup().findOrThrow("syscall"),
              FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT),
              Linker.Option.firstVariadicArg(1),
              Linker.Option.critical(false)); // 1 µs, never blocks

  private LinuxCalls() {}

  /** Says whether these calls can be tried at all: Linux, 64 bits. */
  static boolean available() {
    return System.getProperty("os.name").equals("Linux") && ADDRESS.byteSize() == 8;
  }

  /** Makes an anonymous file of the given size; a descriptor, or a negative errno. */
  static int memfd(String name, long bytes) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = arena.allocate(CAPTURE);
      // Safety: the name is NUL-terminated and outlives the call.
      int fd = (int) MEMFD_CREATE.invokeExact(errno, arena.allocateFrom(name), MFD_CLOEXEC);
      if (fd < 0) {
        return -errno(errno);
      }
      // Safety: passes no memory but the errno segment.
      if ((int) FTRUNCATE.invokeExact(errno, fd, bytes) < 0) {
        int error = errno(errno);
        close(fd);
        return -error;
      }
      return fd;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Maps memory at an address of the host's choice.
   *
   * @return the address, or a negative errno (no mapping is in the last page of the address space)
   */
  static long map(long bytes, int flags, int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = arena.allocate(CAPTURE);
      // Safety: without MAP_FIXED a new mapping cannot replace one that somebody uses.
      MemorySegment at =
          (MemorySegment)
              MMAP.invokeExact(errno, MemorySegment.NULL, bytes, PROT_READ_WRITE, flags, fd, 0L);
      return at.address() == -1 ? -errno(errno) : at.address();
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Unmaps what {@link #map} gave. The caller has made sure that no segment over it is alive. */
  static void unmap(long address, long bytes) {
    try (Arena arena = Arena.ofConfined()) {
      // Safety: called only as the clean-up of the arena that bounds every segment over the range.
      int result =
          (int)
              MUNMAP.invokeExact(arena.allocate(CAPTURE), MemorySegment.ofAddress(address), bytes);
      if (result < 0) {
        throw new IllegalStateException("munmap refused its own mapping: address=" + address);
      }
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Advises the host on a mapping; 0 or a negative errno. Advice never changes contents here. */
  static int advise(long address, long bytes, int advice) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = arena.allocate(CAPTURE);
      // Safety: the only advice used is MADV_HUGEPAGE, which changes no byte.
      int result =
          (int) MADVISE.invokeExact(errno, MemorySegment.ofAddress(address), bytes, advice);
      return result < 0 ? -errno(errno) : 0;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Gives a range of a file back to the host, which makes it read as zero; 0 or a negative errno.
   */
  static int punchHole(int fd, long offset, long bytes) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = arena.allocate(CAPTURE);
      // Safety: mappings stay valid; the range reads as zero from now on, which is what the caller
      // asks for.
      int result =
          (int)
              FALLOCATE.invokeExact(
                  errno, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, bytes);
      return result < 0 ? -errno(errno) : 0;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Prepares the process for {@link #barrier}; says whether the host has such a thing. */
  static boolean registerBarrier() {
    return SYS_MEMBARRIER >= 0
        && membarrier(MEMBARRIER_REGISTER_PRIVATE_EXPEDITED) == 0
        && membarrier(MEMBARRIER_PRIVATE_EXPEDITED) == 0;
  }

  /** Makes every running thread of the process execute a full memory fence. */
  static void barrier() {
    if (membarrier(MEMBARRIER_PRIVATE_EXPEDITED) != 0) {
      throw new IllegalStateException("membarrier refused what it has agreed to do before");
    }
  }

  private static long membarrier(int command) {
    try {
      // Safety: passes numbers only, and neither command changes memory.
      return (long) MEMBARRIER.invokeExact(SYS_MEMBARRIER, command, 0, 0);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Closes a descriptor that {@link #memfd} gave. */
  static void close(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      // Safety: passes no memory but the errno segment. An error leaves the descriptor closed (man
      // 2 close).
      int ignored = (int) CLOSE.invokeExact(arena.allocate(CAPTURE), fd);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static int errno(MemorySegment capture) {
    return (int) ERRNO.get(capture, 0L);
  }

  private static MethodHandle call(String name, FunctionDescriptor descriptor) {
    Linker linker = Linker.nativeLinker();
    // Safety: the descriptors above are those of the C prototypes on 64-bit Linux (off_t and size_t
    // are 64 bits).
    return linker.downcallHandle(
        linker.defaultLookup().findOrThrow(name),
        descriptor,
        Linker.Option.captureCallState("errno"));
  }

  private static RuntimeException unexpected(Throwable e) {
    return switch (e) {
      case RuntimeException runtime -> runtime;
      case Error error -> throw error;
      default -> new IllegalStateException("a downcall threw", e);
    };
  }
}
