package dev.domus.kernel.mmu;

import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.Hypercall;

/** update_descriptor (10): one segment descriptor by its machine address. */
public final class UpdateDescriptor implements Hypercall {
  /** Makes the table entry. */
  public UpdateDescriptor() {}

  @Override
  public long call(Vcpu v, long ma, long descriptor, long a3, long a4, long a5) {
    return v.domain().mmu().entries().updateDescriptor(ma, descriptor);
  }
}
