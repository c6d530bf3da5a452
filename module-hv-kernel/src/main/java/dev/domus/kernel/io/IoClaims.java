package dev.domus.kernel.io;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import dev.domus.kernel.xsm.AccessControl;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** What one service domain has claimed of I/O memory and ports; goes with the domain. */
public final class IoClaims implements AutoCloseable {
  private final int domid;
  private final AccessControl access;
  private final IoSpace memory;
  private final IoSpace ports;
  private final Set<IoClaim> claims = ConcurrentHashMap.newKeySet();

  /** Makes the claims of a domain, of which there are none yet. */
  public IoClaims(int domid, AccessControl access, IoSpace memory, IoSpace ports) {
    this.domid = domid;
    this.access = access;
    this.memory = memory;
    this.ports = ports;
  }

  /** The first frame beyond RAM. */
  public long memoryStart() {
    return memory.firstUnit();
  }

  /** Claims frames beyond RAM. */
  public IoClaim claimMemory(long firstFrame, long frames, IoHandler handler) {
    return claim(memory, Operation.IO_MEMORY, "I/O frames", firstFrame, frames, handler);
  }

  /** Claims ports. */
  public IoClaim claimPorts(int first, int count, IoHandler handler) {
    return claim(ports, Operation.IO_PORTS, "ports", first, count, handler);
  }

  private IoClaim claim(
      IoSpace space, Operation operation, String what, long first, long count, IoHandler handler) {
    if (access.check(operation, domid, Domid.XEN, first) != 0) {
      throw refused(Errno.EPERM, "may not claim", what, first, count);
    }
    if (!space.covers(first, count)) {
      throw refused(Errno.EINVAL, "cannot claim what does not exist as", what, first, count);
    }
    IoClaim claim = space.claim(first, count, handler);
    if (claim == null) {
      throw refused(Errno.EBUSY, "claims what is another's:", what, first, count);
    }
    claims.removeIf(IoClaim::isClosed);
    claims.add(claim);
    return claim;
  }

  private HypercallException refused(int errno, String why, String what, long first, long count) {
    return new HypercallException(
        errno, "domain %d %s %s: first=0x%x count=%d".formatted(domid, why, what, first, count));
  }

  /** Gives up what is still claimed. */
  @Override
  public void close() {
    claims.forEach(IoClaim::close);
    claims.clear();
  }
}
