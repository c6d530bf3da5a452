package dev.domus.kernel.host;

import dev.domus.kernel.access.AccessPolicyFactory;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.plugin.Service;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;
import java.util.Map;

/** Makes a machine of what plugins provide: the seam between the plugin host and the hypervisor. */
@FunctionalInterface
public interface MachineStarter {
  /**
   * Starts a machine.
   *
   * @param spec checked: its scheduler is one of {@code schedulers}
   * @param engines those that this host can run, by name, the default first; at least one
   * @param schedulers by name
   * @param policies access policies by name
   * @param models device models by name
   * @param dmaModes modes of protection for DMA by name, without the built-in one
   * @param services in the order in which they start
   * @throws MachineException with a message for people, if it cannot be started
   */
  Machine start(
      MachineSpec spec,
      Map<String, Engine> engines,
      Map<String, SchedulerFactory> schedulers,
      Map<String, AccessPolicyFactory> policies,
      Map<String, DeviceModel> models,
      Map<String, DmaModeFactory> dmaModes,
      List<Service> services)
      throws MachineException;
}
