package dev.domus.kernel.mmu;

/**
 * A domain's page-table entries that map granted frames (xen-pv-abi.md, 12.3). These calls check
 * and change the entry only, and drop what the entry referred to before.
 *
 * <p>References travel with the entry: those that the grant package took on the granted frame
 * belong to the entry once {@link #installGrant} has succeeded, and are the grant package's again
 * once {@link #removeGrant} or {@link #replaceGrant} has. If the guest overwrites such an entry by
 * ordinary means, the references are put there and then; {@code removeGrant} does not find the
 * entry any more, so nothing is put twice (XSA-224).
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
  int installGrant(AddressSpaces v, long hostAddress, long entry, boolean containsPte);

  /**
   * Clears an entry if it maps the given frame with the given right. The caller owes {@link #flush}
   * before it puts its references.
   *
   * @return 0 or a negative GNTST status
   */
  int removeGrant(
      AddressSpaces v, long hostAddress, long mfn, boolean writable, boolean containsPte);

  /**
   * Moves the present entry found at {@code newAddress} into the slot at {@code hostAddress}, which
   * must map {@code mfn} (GNTTABOP_unmap_and_replace). The caller owes {@link #flush} as after
   * {@link #removeGrant}.
   *
   * @return 0 or a negative GNTST status
   */
  int replaceGrant(AddressSpaces v, long hostAddress, long newAddress, long mfn, boolean writable);

  /** Makes the domain forget all translations; returns when none from before can be used. */
  void flush();
}
