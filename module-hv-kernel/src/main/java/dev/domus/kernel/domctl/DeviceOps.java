package dev.domus.kernel.domctl;

import static dev.domus.kernel.abi.DomctlLayout.*;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.hypercall.Hypercall;
import java.util.OptionalInt;

/**
 * The commands of domctl that give PCI functions to domains and take them back. What waits for a
 * device is done by {@link Errands}: a device may take seconds, and a vCPU's thread waits for none.
 */
final class DeviceOps {
  private static final int BDF = 0xffff;

  private DeviceOps() {}

  /** What a vCPU waits for, as {@link Errands} tells it apart. */
  private record Question(int command, int domid, int sbdf) {}

  /** assign_device, test_assign_device, deassign_device, get_device_group. */
  static long carryOut(DomainControl control, int command, int domid, Argument a) {
    if (command == GET_DEVICE_GROUP) {
      return group(control, a);
    }
    DomctlOp.refuse(domid == a.caller().domain().domid());
    int sbdf = a.getInt(DEVICE_SBDF);
    if (a.getInt(DEVICE_KIND) != DEVICE_PCI) {
      return -Errno.ENODEV;
    }
    DomctlOp.refuse(a.getInt(DEVICE_FLAGS) != 0);
    if ((sbdf & ~BDF) != 0) { // there is one segment, 0
      return command == TEST_ASSIGN_DEVICE ? -Errno.EINVAL : -Errno.ENODEV;
    }
    RequesterId id = new RequesterId(sbdf);
    DeviceControl devices = control.devices();
    return switch (command) {
      case TEST_ASSIGN_DEVICE -> devices.isFree(id) ? 0 : -Errno.EINVAL;
      case ASSIGN_DEVICE ->
          wait(control, a, new Question(command, domid, sbdf), () -> devices.assign(domid, id));
      default ->
          wait(control, a, new Question(command, domid, sbdf), () -> devices.deassign(domid, id));
    };
  }

  /**
   * Before a domain is destroyed: takes its devices.
   *
   * @return 0, or {@link Hypercall#CONTINUE} if the caller has to come again
   */
  static long release(DomainControl control, int domid, Argument a) {
    Question question = new Question(DESTROY_DOMAIN, domid, 0);
    return control.devices().hasAny(domid)
        ? wait(control, a, question, () -> control.devices().deassignAll(domid))
        : 0;
  }

  private static long wait(DomainControl control, Argument a, Question question, Runnable work) {
    OptionalInt result =
        control
            .errands()
            .ask(
                a.caller(),
                question,
                () -> {
                  work.run();
                  return 0;
                });
    return result.isPresent() ? result.getAsInt() : Hypercall.CONTINUE;
  }

  /** The functions that share a function's requester id towards memory: none, here. */
  private static long group(DomainControl control, Argument a) {
    int sbdf = a.getInt(GROUP_SBDF);
    if ((sbdf & ~BDF) != 0
        || control.hypervisor().assignments().function(new RequesterId(sbdf)).isEmpty()) {
      return -Errno.EINVAL;
    }
    a.putInt(GROUP_COUNT, 0);
    a.writeBack();
    return 0;
  }
}
