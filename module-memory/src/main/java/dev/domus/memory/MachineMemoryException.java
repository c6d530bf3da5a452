package dev.domus.memory;

/**
 * Thrown when the host does not give the memory that a machine was to have. Names the size, the
 * cause and the remedy.
 */
public final class MachineMemoryException extends RuntimeException {
  private static final long serialVersionUID = 1;

  MachineMemoryException(String what, long bytes, String cause) {
    super(
        "The host does not give %d MiB for %s (%s). Take a smaller machine, or raise what limits this process: ulimit -v, the container's memory limit, vm.overcommit_memory, or -XX:MaxDirectMemorySize where memory comes from the JVM."
            .formatted(bytes >>> 20, what, cause));
  }

  private MachineMemoryException(String message) {
    super(message);
  }

  static MachineMemoryException noHugePages(String why) {
    return new MachineMemoryException(
        "The host gives no huge pages to the machine's memory (%s). Do without --hugepages, or let the host give them: echo advise > %s, as root."
            .formatted(why, HostMemory.SHMEM_POLICY));
  }
}
