package dev.domus.kernel.device;

import java.util.List;
import java.util.Map;
import org.pf4j.ExtensionPoint;

/**
 * Extension point: makes PCI functions of one kind. Its constructor and the methods that say what
 * it is are called whether or not anybody wants such a device.
 */
public interface DeviceModel extends ExtensionPoint {
  /** The name by which operators ask for it: {@code nvme}. */
  String name();

  /** One line for listings. */
  String description();

  /** What can be said of a device when it is made. */
  List<DeviceOption> options();

  /**
   * Makes a device, which does nothing before {@link Device#start}. Opens what it needs of the host
   * (files, sockets), so that what is missing is known before there is a device.
   *
   * @param options name to text; only declared names, absent ones with their defaults
   * @throws DeviceException with a message for the operator that names the option, the value and
   *     the remedy
   */
  Device create(Map<String, String> options) throws DeviceException;
}
