package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;

/**
 * event_channel_op_compat (16) and physdev_op_compat (19): the forms from before Xen 3.2, which
 * have the command in front of its argument instead of in a register.
 *
 * @param successor the hypercall that does the work
 * @param argumentOffset where the command's argument is, behind the 32-bit command
 * @param first the first command that the older form has
 * @param last the last one
 * @param subops the same, described
 */
record CompatOp(Hypercall successor, int argumentOffset, int first, int last, Subops subops)
    implements Hypercall {
  static CompatOp of(Hypercall successor, int argumentOffset, int first, int last) {
    Subops older = Subops.byStructure();
    for (Subops.Subop s : successor.subops().list()) {
      if (s.command() >= first && s.command() <= last) {
        older.add(s);
      }
    }
    return new CompatOp(successor, argumentOffset, first, last, older);
  }

  @Override
  public long call(Vcpu v, long op, long a2, long a3, long a4, long a5) {
    int command = v.guest().getInt(op);
    return command < first || command > last
        ? -Errno.ENOSYS
        : successor.call(v, command, op + argumentOffset, 0, 0, 0);
  }
}
