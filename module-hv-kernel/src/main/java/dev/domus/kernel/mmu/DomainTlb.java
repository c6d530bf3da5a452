package dev.domus.kernel.mmu;

import dev.domus.kernel.engine.Invalidation;
import dev.domus.memory.MachineMemory;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What one domain's vCPUs may have cached of its page tables, and who makes them forget it.
 *
 * <h2>Who has to ask</h2>
 *
 * <p>As on a processor a guest that takes a mapping away asks for the invalidation that it needs,
 * and of the vCPUs that need it (xen-pv-abi.md, 6.2 and 6.3): those that it names are made to
 * forget what it names, and no others are disturbed. That is {@link MmuextOp}'s and {@link
 * UpdateVaMapping}'s business, and if the guest asks for too little, it alone is harmed. The
 * hypervisor itself asks wherever a stale translation would reach what is not the guest's to reach:
 *
 * <table border="1">
 *   <caption>What the guest need not ask for</caption>
 *   <tr><th>what goes</th><th>what is flushed, and when</th></tr>
 *   <tr><td>a leaf on a frame of the domain's own</td>
 *       <td>nothing at once: the frame is stamped. Everything, on all vCPUs, if no complete flush has
 *           happened since, before the frame becomes a table or descriptor page, belongs to somebody
 *           else, or is free</td></tr>
 *   <tr><td>a leaf on another domain's frame: a foreign mapping, a grant</td>
 *       <td>everything, on all vCPUs, before the reference is put: the owner knows of no stamp, and a
 *           table may be seen at several addresses, so the page alone would not do</td></tr>
 *   <tr><td>an entry above the leaves</td>
 *       <td>the table that it named is stamped, and flushed before it is taken apart. To the guest the
 *           hypercall owes besides that what it changed is no longer in use by anybody when it returns
 *           (XSA-286): that address space for an L4 nobody else refers to, everything for others</td></tr>
 *   <tr><td>the last use of an L4 as a base pointer</td>
 *       <td>nothing: see below</td></tr>
 *   <tr><td>the right to I/O memory</td><td>everything, on all vCPUs</td></tr>
 * </table>
 *
 * <p>Entries that were not present have been remembered by nobody ({@code VcpuEngine}), so making
 * one flushes nothing.
 *
 * <h2>Stamps</h2>
 *
 * <p>Complete flushes are counted, so that one that has happened anyway is not made again. Whoever
 * clears or weakens an entry leaves {@link #now}, the number of flushes started so far, as the
 * stamp of the frame that the entry referred to, <em>after</em> the entry has changed and
 * <em>before</em> the frame's references are put. Whoever then wants the frame for something that a
 * stale translation must not see asks {@link #flushedSince}: a flush that was started after the
 * stamp and is complete has removed what could be stale. Start and completion are counted apart,
 * because a vCPU that a running flush has already passed may have translated again just before the
 * entry was cleared. Only {@link #flush} counts: pages, address spaces and single vCPUs say nothing
 * about a frame.
 *
 * <p>Stamps are 32 bits and compared by difference; a stamp so old that it looks new costs a flush,
 * no more.
 *
 * <h2>Loading CR3</h2>
 *
 * <p>A processor without PCIDs drops its (not global) translations whenever CR3 is loaded, and
 * guests rely on it: they change the tables of a process that a vCPU has left and tell that vCPU
 * nothing, because it will load CR3 before it goes back. So an engine that keeps translations apart
 * by CR3 may still not use, after a load, what it had found before; with one exception. As every
 * change of a table in use goes through the hypervisor, it knows whether what a vCPU has found is
 * still so. {@link #changes} counts the entries that were present and have been changed or have
 * become unreachable, in all the domain's tables. A vCPU remembers the count from just before it
 * last dropped everything. If that has not moved when it loads a base pointer, every translation
 * that it holds, under whatever base, is what a walk would give now, and nothing is dropped;
 * otherwise all is. So nothing that a guest can do shows that translations outlive a load.
 *
 * <p>Two bases are entered without a load, by the transitions between guest kernel and guest user
 * (xen-pv-abi.md, 8.9): the vCPU's own two base pointers. Nothing is dropped there, as with Xen,
 * which makes user mappings global for that. Any other base is loaded first. Hence an L4 that is no
 * vCPU's base pointer is one whose translations nobody can use, whoever still has them: when the
 * last reference to it goes, {@link #changes} moves, and whoever loads a table in the same frame
 * later has dropped everything before he uses anything. It needs no flush of its own, and neither
 * do the tables and frames below it that only it led to.
 *
 * <p>The count moves after the entry has been stored, and is read before the flush: whoever has
 * translated by an old entry has then a number that is too old. It is written under the MMU lock.
 *
 * <h2>Threads</h2>
 *
 * <p>Any thread, unless said otherwise. The flushes return when no vCPU of the domain can use an
 * older translation; they take no lock, so they may be called with any lock held, but never from
 * inside guest mode.
 */
final class DomainTlb {
  private final VcpuTranslations vcpus;
  private final AtomicInteger started = new AtomicInteger();
  private final AtomicInteger completed = new AtomicInteger();
  private final AtomicLong changes = new AtomicLong();

  /** Makes the counters of a domain with these vCPUs. */
  DomainTlb(VcpuTranslations vcpus) {
    this.vcpus = vcpus;
  }

  /** The stamp for a frame whose entry has just been cleared. */
  int now() {
    return started.get();
  }

  /** The stamp for a frame that no translation can refer to. */
  int clean() {
    return completed.get() - 1;
  }

  /** Says whether no translation from before the stamp can be in use any more. */
  boolean flushedSince(int stamp) {
    return completed.get() - stamp > 0;
  }

  /** Flushes all vCPUs of the domain, completely. */
  void flush() {
    int mine = started.incrementAndGet();
    vcpus.invalidate(Invalidation.ALL);
    int seen = completed.get();
    while (mine - seen > 0 && !completed.compareAndSet(seen, mine)) {
      seen = completed.get();
    }
  }

  /**
   * Flushes what was found under one L4 table, wherever that is in use; with the MMU lock held.
   *
   * @param root frame of the table
   */
  void flushAddressSpace(long root) {
    vcpus.invalidate(Invalidation.addressSpace(root << MachineMemory.FRAME_SHIFT));
  }

  /** A present entry has been changed, or a table is out of use; with the MMU lock held. */
  void changed() {
    changes.setRelease(changes.getPlain() + 1);
  }

  /** How often translations of the domain may have become wrong so far. */
  long changes() {
    return changes.getAcquire();
  }
}
