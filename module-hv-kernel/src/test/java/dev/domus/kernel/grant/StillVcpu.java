package dev.domus.kernel.grant;

import dev.domus.kernel.mmu.AddressSpaces;

/** A vCPU of which nobody wants more than its number. */
record StillVcpu(int id) implements AddressSpaces {
  @Override
  public long kernelTable() {
    return -1;
  }

  @Override
  public long userTable() {
    return -1;
  }

  @Override
  public void setKernelTable(long mfn) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void setUserTable(long mfn) {
    throw new UnsupportedOperationException();
  }
}
