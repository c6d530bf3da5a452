/**
 * {@code domus plugin new}: a Maven project of a plugin, complete, in a folder of its own. Start at
 * {@link dev.domus.plugin.kit.NewPluginCommand}; what is written is in the resources beside these
 * classes, with the words between at-signs filled in.
 */
package dev.domus.plugin.kit;
