package dev.domus.kernel.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.memory.paging.Pte;

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
    mmu = new Mmu(machine.machine, domid, maxPages, vcpus.length, this::flushAll);
  }

  private void flushAll() {
    for (TestVcpu v : vcpus) {
      v.flush();
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

  int update(long table, int index, long entry) {
    int result = mmu.entries().update((table << 12) + 8L * index, entry, domid, false);
    if (result == EntryUpdates.FLUSH_DUE) {
      mmu.flushTlb();
      return 0;
    }
    return result;
  }

  void mustUpdate(long table, int index, long entry) {
    assertEquals(0, update(table, index, entry));
  }
}
