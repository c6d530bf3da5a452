package dev.domus.kernel.grant;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.memory.Window;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A domain that maps others' grants as windows, for tests of the granting side: the pins and
 * references of a mapping without handles or tables. Thread-safe.
 */
public final class GrantWindows implements AutoCloseable {
  private final int domid;
  private final GrantMachine machine;
  private final Set<Mapped> mapped = ConcurrentHashMap.newKeySet();

  /** Makes the mappings of a service domain, none at first. */
  public GrantWindows(int domid, GrantMachine machine) {
    this.domid = domid;
    this.machine = machine;
  }

  /**
   * Maps a grant.
   *
   * @return the mapping, or a negative grant status
   */
  public Result map(int granterDomid, int ref, boolean writable) {
    Optional<GrantTable> found = machine.grants(granterDomid == Domid.SELF ? domid : granterDomid);
    if (found.isEmpty()) {
      return new Refused(GrantStatus.BAD_DOMAIN);
    }
    GrantTable granter = found.get();
    long mfn = granter.acquire(ref, domid, writable);
    if (mfn < 0) {
      return new Refused((int) mfn);
    }
    Mapped mapping = new Mapped(granter, ref, mfn, writable);
    mapped.add(mapping);
    return mapping;
  }

  /** Unmaps all, for the end of the domain. */
  @Override
  public void close() {
    mapped.forEach(Mapped::close);
  }

  /** What {@link #map} answers. */
  public sealed interface Result {}

  /**
   * The grant was not mapped.
   *
   * @param status a negative grant status
   */
  public record Refused(int status) implements Result {}

  /** A grant that is mapped. */
  public final class Mapped implements Result, GrantMapping {
    private final GrantTable granter;
    private final int ref;
    private final long mfn;
    private final boolean writable;
    private final Window window;

    private Mapped(GrantTable granter, int ref, long mfn, boolean writable) {
      this.granter = granter;
      this.ref = ref;
      this.mfn = mfn;
      this.writable = writable;
      window = Window.of(machine.memory(), machine.codeFrames(), writable, this::release, mfn);
    }

    private void release() {
      granter.release(ref, mfn, writable);
    }

    @Override
    public Window window() {
      return window;
    }

    /** Revokes the window; frame and grant are given back when its last user is out. */
    @Override
    public void close() {
      if (mapped.remove(this)) {
        window.revoke();
        window.close();
      }
    }
  }
}
