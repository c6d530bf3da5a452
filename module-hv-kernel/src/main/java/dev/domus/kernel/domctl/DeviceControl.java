package dev.domus.kernel.domctl;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.control.PciDevice;
import dev.domus.kernel.device.DeviceException;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.passthrough.Assignments;
import dev.domus.kernel.pci.FunctionState;
import dev.domus.kernel.pci.PciFunction;
import dev.domus.kernel.service.HypercallException;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** {@link DomainControl}'s part for PCI functions, which are {@link Assignments}' to give. */
final class DeviceControl {
  private final DomainControl control;
  private final Map<String, DeviceModel> models;

  DeviceControl(DomainControl control, Map<String, DeviceModel> models) {
    this.control = control;
    this.models = models;
  }

  Map<String, DeviceModel> models() {
    return models;
  }

  private Assignments assignments() {
    return control.hypervisor().assignments();
  }

  List<PciDevice> list() {
    control.gate(Operation.PCI_BUS, Domid.XEN, 0);
    return assignments().functions().stream()
        .filter(function -> !(function.state() instanceof FunctionState.Unplugged))
        .map(DeviceControl::picture)
        .toList();
  }

  private static PciDevice picture(PciFunction function) {
    FunctionState now = function.state();
    int owner = Assignments.ownerOf(now);
    return new PciDevice(
        function.id(),
        function.model(),
        function.spec(),
        switch (now) {
          case FunctionState.Assigned _ -> PciDevice.State.ASSIGNED;
          case FunctionState.Failed _ -> PciDevice.State.FAILED;
          case FunctionState.Unassigned _, FunctionState.Unplugged _ -> PciDevice.State.UNASSIGNED;
        },
        owner < 0 ? OptionalInt.empty() : OptionalInt.of(owner),
        now instanceof FunctionState.Failed failed ? failed.reason() : "",
        function.faults(),
        function.places().stream()
            .map(place -> new PciDevice.Region(place.number(), place.firstFrame(), place.frames()))
            .toList());
  }

  void plug(String model, RequesterId id, Map<String, String> options) {
    control.gate(Operation.PCI_BUS, Domid.XEN, id.value());
    if (control.hypervisor().virtualClock().isPresent()) {
      throw new HypercallException(
          Errno.EOPNOTSUPP,
          "a deterministic machine has no devices, since what they do is not repeatable: device="
              + model);
    }
    DeviceModel found = models.get(model);
    if (found == null) {
      throw new HypercallException(
          Errno.EINVAL,
          "there is no device model %s; %s"
              .formatted(
                  model,
                  models.isEmpty()
                      ? "no plugin in use provides any"
                      : "there is " + String.join(", ", models.keySet())));
    }
    try {
      assignments().plug(id, found, options);
    } catch (DeviceException refused) {
      throw new HypercallException(Errno.EINVAL, refused.getMessage());
    }
  }

  void unplug(RequesterId id) {
    control.gate(Operation.PCI_BUS, Domid.XEN, id.value());
    check(assignments().unplug(id), id, Domid.INVALID);
  }

  void assign(int domid, RequesterId id) {
    check(assignments().assign(anyDomain(DomctlLayout.ASSIGN_DEVICE, domid), id), id, domid);
  }

  void deassign(int domid, RequesterId id) {
    check(assignments().deassign(anyDomain(DomctlLayout.DEASSIGN_DEVICE, domid), id), id, domid);
  }

  private Domain anyDomain(int command, int domid) {
    return control.anyTarget(command, domid);
  }

  /** Says whether a function is there and nobody's. */
  boolean isFree(RequesterId id) {
    return assignments()
        .function(id)
        .filter(function -> function.state() instanceof FunctionState.Unassigned)
        .isPresent();
  }

  /** Says whether a domain that is to be destroyed has devices that have to be waited for. */
  boolean hasAny(int domid) {
    Domain domain = control.hypervisor().anyDomain(domid);
    return domid != 0 && domain != null && !domain.devices().isEmpty(); // 0 is not destroyed
  }

  /** Takes all that a domain has, which is about to be destroyed. */
  void deassignAll(int domid) {
    assignments().deassignAll(anyDomain(DomctlLayout.DESTROY_DOMAIN, domid));
  }

  private static void check(int result, RequesterId id, int domid) {
    if (result == 0) {
      return;
    }
    String what =
        switch (-result) {
          case Errno.ENODEV ->
              domid == Domid.INVALID ? "there is no device at " : "the domain has no device at ";
          case Errno.EBUSY -> "another domain has the device at ";
          case Errno.EIO -> "it has failed, unplug it: the device at ";
          case Errno.ENOMEM -> "no memory for the I/O page tables of the device at ";
          default -> "the domain is going; it gets no device: the device at ";
        };
    throw new HypercallException(
        -result, what + id + (domid == Domid.INVALID ? "" : ": domid=" + domid));
  }
}
