package dev.domus.kernel.mmu;

/**
 * What the MMU keeps in a vCPU: which two L4 tables it runs on. Implemented by the vCPU; set by the
 * MMU alone.
 */
public interface AddressSpaces {
  /** The vCPU's number in its domain. */
  int id();

  /** Frame of the guest kernel's L4 table, or −1. */
  long kernelTable();

  /** Frame of the guest user's L4 table, or −1. */
  long userTable();

  /**
   * Changes the kernel's base pointer, and loads it if it is in use. From now on the vCPU uses no
   * translation that may have become wrong before ({@code DomainTlb}, loading CR3); if the pointer
   * is what it was, none at all from before. The MMU moves the references.
   */
  void setKernelTable(long mfn);

  /**
   * Changes the user's base pointer; −1 for none. As a load, for the guest goes there without
   * another. The MMU moves the references.
   */
  void setUserTable(long mfn);
}
