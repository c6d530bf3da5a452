package dev.domus.toolstack.cli;

import picocli.CommandLine.Command;

/** {@code domus plugin}. */
@Command(
    name = "plugin",
    mixinStandardHelpOptions = true,
    description = "About plugins.",
    subcommands = ListCommands.Plugins.class)
final class PluginCommand extends CommandGroup {}
