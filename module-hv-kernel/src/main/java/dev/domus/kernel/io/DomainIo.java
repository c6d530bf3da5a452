package dev.domus.kernel.io;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.engine.IoMemory;
import dev.domus.memory.MachineMemory;

/** The machine's I/O memory and ports, as far as one domain may reach them. Thread-safe. */
public final class DomainIo implements IoMemory {
  private final IoSpace memory;
  private final IoSpace ports;
  private final IoRights rights;

  /** Joins the machine's address spaces with what a domain may reach of them. */
  public DomainIo(IoSpace memory, IoSpace ports, IoRights rights) {
    this.memory = memory;
    this.ports = ports;
    this.rights = rights;
  }

  @Override
  public boolean isReachable(long ma) {
    return rights.permitsMemory(ma >>> MachineMemory.FRAME_SHIFT, 1);
  }

  @Override
  public long load(long ma, int size) {
    return memory.load(ma, size);
  }

  @Override
  public void store(long ma, int size, long value) {
    memory.store(ma, size, value);
  }

  /**
   * Says whether an access to ports is a device's to answer: the domain has the right to all of
   * them, and the first is claimed.
   */
  public boolean answersPorts(int first, int bytes) {
    return rights.permitsPorts(first, bytes) && ports.isClaimed(first);
  }

  /** Reads from ports. */
  public int in(int port, int bytes) {
    return (int) ports.load(port, bytes);
  }

  /** Writes to ports. */
  public void out(int port, int bytes, int value) {
    ports.store(port, bytes, value);
  }

  /** Says whether the domain, being privileged, may give others the right to I/O frames. */
  public boolean mayPassOnMemory(long firstMfn, long count) {
    return memory.covers(firstMfn, count) && rights.permitsMemory(firstMfn, count);
  }

  /** Says whether the domain, being privileged, may give others the right to ports. */
  public boolean mayPassOnPorts(int first, int count) {
    return ports.covers(first, count) && rights.permitsPorts(first, count);
  }

  /** Says whether the domain has the right to any of a range of I/O frames. */
  public boolean permitsAnyMemory(long firstMfn, long count) {
    return rights.permitsAnyMemory(firstMfn, count);
  }

  /**
   * Gives or takes the right to I/O frames. Taken, it is gone when this returns: see {@link
   * IoRights#revokeMemory}.
   *
   * @return 0, or −EINVAL if the range is empty or not wholly beyond RAM
   */
  public int permitMemory(long firstMfn, long count, boolean allowed) {
    if (!memory.covers(firstMfn, count)) {
      return -Errno.EINVAL;
    }
    if (allowed) {
      rights.grantMemory(firstMfn, count);
    } else {
      rights.revokeMemory(firstMfn, count);
    }
    return 0;
  }

  /**
   * Gives or takes the right to ports.
   *
   * @return 0, or −EINVAL if the range is empty or goes beyond port 65535
   */
  public int permitPorts(int first, int count, boolean allowed) {
    if (!ports.covers(first, count)) {
      return -Errno.EINVAL;
    }
    if (allowed) {
      rights.grantPorts(first, count);
    } else {
      rights.revokePorts(first, count);
    }
    return 0;
  }
}
