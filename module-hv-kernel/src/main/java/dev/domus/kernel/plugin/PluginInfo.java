package dev.domus.kernel.plugin;

/**
 * A plugin and what became of it.
 *
 * @param id module name, or the file name if the module could not be read
 * @param version module version, or empty
 * @param location file name of its jar or folder
 * @param problem why it is not in use: one line; empty if it is
 */
public record PluginInfo(String id, String version, String location, String problem) {}
