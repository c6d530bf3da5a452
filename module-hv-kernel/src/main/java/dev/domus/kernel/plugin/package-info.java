/**
 * The extension points by which plugins are found, and the host that they see. A plugin is a JPMS
 * module that {@code provides} one or more of these types, of {@link
 * dev.domus.kernel.engine.Engine} or of {@code SchedulerFactory}. Start at {@link
 * dev.domus.kernel.plugin.Host}.
 */
package dev.domus.kernel.plugin;
