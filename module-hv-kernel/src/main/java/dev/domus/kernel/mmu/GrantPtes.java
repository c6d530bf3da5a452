package dev.domus.kernel.mmu;

import dev.domus.kernel.domain.Vcpu;

/**
 * Page-table entries of a domain that map granted frames.
 *
 * <p>References travel with the entry: those that the grant package took on the granted frame
 * belong to the entry once {@link #install} has succeeded, and are the grant package's again once
 * {@link #remove} or {@link #replace} has. If the guest overwrites such an entry by ordinary means,
 * the references are put there and then; {@code remove} does not find the entry any more, so
 * nothing is put twice (xen-pv-abi.md, 12.3; XSA-224).
 */
public final class GrantPtes implements GrantEntries {
  @Override
  public int install(Vcpu v, long hostAddress, long entry, boolean containsPte) {
    return v.domain().mmu().entries().installGrant(v, hostAddress, entry, containsPte);
  }

  @Override
  public int remove(Vcpu v, long hostAddress, long mfn, boolean writable, boolean containsPte) {
    return v.domain().mmu().entries().removeGrant(v, hostAddress, mfn, writable, containsPte);
  }

  @Override
  public int replace(Vcpu v, long hostAddress, long newAddress, long mfn, boolean writable) {
    return v.domain().mmu().entries().replaceGrant(v, hostAddress, newAddress, mfn, writable);
  }
}
