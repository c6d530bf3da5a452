package dev.domus.kernel.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.memory.paging.Pte;
import java.util.function.BooleanSupplier;
import java.util.function.ToIntFunction;

/**
 * A domain of a {@link TestMachine}: its MMU, two vCPUs, and ways to build page tables in few
 * words.
 */
final class TestDomain {
  final TestMachine machine;
  final int domid;
  final Mmu mmu;
  final TestVcpu[] vcpus;

  TestDomain(TestMachine machine, int domid, long maxPages) {
    this.machine = machine;
    this.domid = domid;
    vcpus = new TestVcpu[] {new TestVcpu(this, 0), new TestVcpu(this, 1)};
    mmu = new Mmu(machine.machine, domid, maxPages, vcpus.length, this::invalidate);
    for (TestVcpu v : vcpus) {
      v.attach(mmu);
    }
  }

  private void invalidate(long invalidation) {
    boolean ofSpace = Invalidation.kind(invalidation) == Invalidation.Kind.ADDRESS_SPACE;
    long root = Invalidation.cr3(invalidation) >>> 12;
    for (TestVcpu v : vcpus) {
      if (!ofSpace || v.kernelTable() == root || v.userTable() == root) {
        v.invalidate(invalidation);
      }
    }
  }

  long page() {
    long mfn = mmu.allocate(0);
    mmu.setPfn(mfn, mmu.pages());
    return mfn;
  }

  /** A page with entries {@code index, value, index, value …} in it. */
  long page(long... contents) {
    long mfn = page();
    for (int i = 0; i < contents.length; i += 2) {
      machine.poke(mfn, (int) contents[i], contents[i + 1]);
    }
    return mfn;
  }

  /** An L4 with the L3, L2 and L1 that make a leaf the mapping of an address; not pinned. */
  long tree(long va, long leaf) {
    long table = page(Pte.index(va, 1), leaf);
    for (int level = 2; level <= 4; level++) {
      table = page(Pte.index(va, level), Pte.of(table, TestMachine.TABLE));
    }
    return table;
  }

  /** The table of a level that translates an address under an L4. */
  long table(long l4, long va, int level) {
    long table = l4;
    for (int at = 4; at > level; at--) {
      table = Pte.mfn(machine.entry(table, Pte.index(va, at)));
    }
    return table;
  }

  // ---- hypercalls, made again and again until they are done, as a guest does

  /** Whether a guest that has been preempted makes another call instead, or none. */
  BooleanSupplier forgets = () -> false;

  int call(TestVcpu v, ToIntFunction<TableWork> call) {
    finish(v);
    int result = call.applyAsInt(v.work);
    while (result == TableWork.RESTART) {
      if (forgets.getAsBoolean()) {
        return -Errno.EAGAIN; // not of the ABI: the guest gets no answer, because it does not ask
      }
      result = call.applyAsInt(v.work);
    }
    if (!forgets.getAsBoolean()) {
      finish(v);
    }
    return result;
  }

  /** As the next batch of a vCPU does before anything else. */
  void finish(TestVcpu v) {
    while (!v.work.finish()) {
      Thread.onSpinWait(); // preempted
    }
  }

  int pin(int level, long mfn) {
    return pin(vcpus[0], level, mfn);
  }

  int pin(TestVcpu v, int level, long mfn) {
    return call(v, work -> mmu.roots().pin(level, mfn, work));
  }

  int unpin(long mfn) {
    return unpin(vcpus[0], mfn);
  }

  int unpin(TestVcpu v, long mfn) {
    return call(v, work -> mmu.roots().unpin(mfn, work));
  }

  int newBasePointer(TestVcpu v, long mfn) {
    return call(v, work -> mmu.roots().newBasePointer(v, mfn, work));
  }

  int newUserBasePointer(TestVcpu v, long mfn, boolean m2pVisible) {
    return call(v, work -> mmu.roots().newUserBasePointer(v, mfn, m2pVisible, work));
  }

  int setUpVcpu(
      TestVcpu v, long kernel, long user, long[] gdt, int gdtEntries, long ldt, int ldtEntries) {
    return call(
        vcpus[0],
        work ->
            mmu.roots().setUpVcpu(v, kernel, user, true, gdt, gdtEntries, ldt, ldtEntries, work));
  }

  int updateMapping(TestVcpu v, long va, long entry, int owner) {
    return call(v, work -> mmu.entries().updateMapping(v, va, entry, owner, work));
  }

  int compareAndUpdateLeaf(long table, int index, long old, long entry) {
    return call(
        vcpus[0], work -> mmu.entries().compareAndUpdateLeaf(table, index, old, entry, work));
  }

  int updateAt(long ma, long entry, int owner, boolean preserveAd) {
    return updateAt(vcpus[0], ma, entry, owner, preserveAd);
  }

  int updateAt(TestVcpu v, long ma, long entry, int owner, boolean preserveAd) {
    return call(v, work -> mmu.entries().update(ma, entry, owner, preserveAd, work));
  }

  int update(long table, int index, long entry) {
    int result = updateAt((table << 12) + 8L * index, entry, domid, false);
    if (result == EntryUpdates.FLUSH_DUE) {
      mmu.flushTlb();
      return 0;
    }
    return result == EntryUpdates.TREE_CHANGED ? 0 : result;
  }

  void mustUpdate(long table, int index, long entry) {
    assertEquals(0, update(table, index, entry));
  }
}
