/**
 * The plugin host: it finds plugins, turns each into a module layer, and hands what they provide to
 * the kernel and to the command line. Not exported: plugins see {@link
 * dev.domus.kernel.plugin.Host} and nothing of this package. It knows the SPI packages and PF4J,
 * and nothing of domains, vCPUs or memory; the machine is started through {@link
 * dev.domus.kernel.host.MachineStarter}.
 *
 * <p>A plugin is read, loaded and used in three steps, each a class:
 *
 * <pre>
 *   plugins/NAME/*.jar  --PluginFolder-->  modules, checked    (descriptors only: cheap, for all plugins at start-up)
 *                       --PluginLayer--->  a ModuleLayer       (a class loader of its own; on demand)
 *                       --Extensions---->  engines, services…  (made by ServiceLoader, kept as PF4J extensions)
 * </pre>
 *
 * {@link dev.domus.kernel.host.LayerPluginManager} drives them through PF4J's life cycle and keeps
 * the book of what went wrong. Start at {@link dev.domus.kernel.host.PluginHost}.
 */
package dev.domus.kernel.host;
