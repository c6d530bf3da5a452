package dev.domus.kernel.mmu;

import dev.domus.kernel.abi.GrantStatus;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.paging.Pte;

/**
 * Granted frames in a translated domain's map: the host address of a mapping is guest-physical
 * (xen-pv-abi.md, 12.3; Xen's create_grant_host_mapping of a translated domain). There are no
 * page-table entries to name, and nothing is exchanged for something else.
 */
final class PhysmapGrants implements GrantEntries {
  private final Physmap physmap;

  PhysmapGrants(Physmap physmap) {
    this.physmap = physmap;
  }

  @Override
  public int installGrant(AddressSpaces v, long hostAddress, long entry, boolean containsPte) {
    boolean done =
        !containsPte && physmap.addGranted(gfn(hostAddress), Pte.mfn(entry), (entry & Pte.W) != 0);
    return done ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR;
  }

  @Override
  public int removeGrant(
      AddressSpaces v, long hostAddress, long mfn, boolean writable, boolean containsPte) {
    return physmap.removeGranted(gfn(hostAddress), mfn, writable)
        ? GrantStatus.OKAY
        : GrantStatus.GENERAL_ERROR;
  }

  @Override
  public int replaceGrant(
      AddressSpaces v, long hostAddress, long newAddress, long mfn, boolean writable) {
    return GrantStatus.GENERAL_ERROR;
  }

  @Override
  public void flush() {
    // Nothing is derived from the map that does not hold a reference: see Physmap.
  }

  private static long gfn(long hostAddress) {
    return hostAddress >>> MachineMemory.FRAME_SHIFT;
  }
}
