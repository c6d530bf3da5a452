package dev.domus.kernel.mmu;

import dev.domus.kernel.domain.Vcpu;

/**
 * Page-table entries that map granted frames (xen-pv-abi.md, 12.3). The caller owns the references
 * on the granted frame; these calls check and change the entry only, and drop what the entry
 * referred to before.
 */
public interface GrantEntries {
  /**
   * Writes an entry.
   *
   * @param v the mapping domain's vCPU
   * @param hostAddress virtual address, or machine address of the entry if {@code containsPte}
   * @param entry the entry to write, flags already composed
   * @param containsPte how to read {@code hostAddress}
   * @return 0 or a negative GNTST status
   */
  int install(Vcpu v, long hostAddress, long entry, boolean containsPte);

  /**
   * Clears an entry if it maps the given frame with the given right; the TLB is flushed before this
   * returns.
   *
   * @return 0 or a negative GNTST status
   */
  int remove(Vcpu v, long hostAddress, long mfn, boolean writable, boolean containsPte);

  /**
   * Moves the present entry found at {@code newAddress} into the slot at {@code hostAddress}, which
   * must map {@code mfn} (GNTTABOP_unmap_and_replace).
   *
   * @return 0 or a negative GNTST status
   */
  int replace(Vcpu v, long hostAddress, long newAddress, long mfn, boolean writable);
}
