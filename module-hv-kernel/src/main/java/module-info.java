/**
 * The kernel: domains, vCPUs, hypercalls, PV MMU, traps, events, grants, time, dispatch, plugin
 * host. Only its SPI and API packages are exported.
 */
module dev.domus.kernel {
  requires transitive dev.domus.memory;
  requires transitive dev.domus.iommu;
  requires transitive org.pf4j;
  requires java.management;
  requires jdk.jfr;

  exports dev.domus.kernel.abi;
  exports dev.domus.kernel.access;
  exports dev.domus.kernel.control;
  exports dev.domus.kernel.device;
  exports dev.domus.kernel.engine;
  exports dev.domus.kernel.plugin;
  exports dev.domus.kernel.sched;
  exports dev.domus.kernel.service;
  exports dev.domus.kernel.trace;

  uses dev.domus.kernel.access.AccessPolicyFactory;
  uses dev.domus.kernel.device.DeviceModel;
  uses dev.domus.kernel.device.DmaModeFactory;
  uses dev.domus.kernel.engine.Engine;
  uses dev.domus.kernel.plugin.CommandLine;
  uses dev.domus.kernel.plugin.Service;
  uses dev.domus.kernel.plugin.Subcommand;
  uses dev.domus.kernel.sched.SchedulerFactory;
  uses org.pf4j.Plugin;
}
