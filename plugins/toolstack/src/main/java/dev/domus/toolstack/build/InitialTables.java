package dev.domus.toolstack.build;

import dev.domus.memory.paging.Pte;
import java.util.OptionalLong;

/**
 * Fills in a domain's first page tables (xen-pv-abi.md, 2.4): entries between tables allow
 * everything, leaves are writable unless they show a page table. Bits that the hypervisor adds come
 * when the L4 is pinned.
 */
final class InitialTables {
  private static final long TABLE_FLAGS = Pte.P | Pte.W | Pte.A | Pte.D | Pte.U;

  private static final long LEAF_FLAGS = Pte.P | Pte.W | Pte.A;

  private final GuestLayout layout;
  private final ForeignMemory memory;
  private final long mappingStart;
  private final long mappingBytes;
  private final long listStart;
  private final long listBytes;

  InitialTables(GuestLayout layout, ForeignMemory memory) {
    this.layout = layout;
    this.memory = memory;
    mappingStart = TablePlan.translated(layout.virtBase());
    mappingBytes = layout.mapped() << PageRange.PAGE_SHIFT;
    listStart = TablePlan.translated(layout.p2mVa());
    listBytes = layout.p2mFrames().isPresent() ? layout.p2m().count() << PageRange.PAGE_SHIFT : 0;
  }

  /** Writes all tables. */
  void write() {
    for (TablePlan.Table table : layout.tables().tables()) {
      long[] entries = new long[Pte.ENTRIES];
      for (int i = 0; i < entries.length; i++) {
        entries[i] = table.level() == 1 ? leaf(table.va(i)) : link(table.child(i));
      }
      memory.write(layout.tables().pfn(table).orElseThrow(), entries);
    }
  }

  private long link(TablePlan.Table child) {
    OptionalLong pfn = layout.tables().pfn(child);
    return pfn.isEmpty() ? 0 : Pte.of(memory.mfn(pfn.getAsLong()), TABLE_FLAGS);
  }

  private long leaf(long va) {
    long inMapping = va - mappingStart;
    if (inMapping >= 0 && inMapping < mappingBytes) {
      return leafOf(inMapping >>> PageRange.PAGE_SHIFT);
    }
    long inList = va - listStart;
    if (inList >= 0 && inList < listBytes) {
      return leafOf(layout.p2m().first() + (inList >>> PageRange.PAGE_SHIFT));
    }
    return 0;
  }

  private long leafOf(long pfn) {
    long flags = layout.tables().isTable(pfn) ? LEAF_FLAGS & ~Pte.W : LEAF_FLAGS;
    return Pte.of(memory.mfn(pfn), flags);
  }
}
