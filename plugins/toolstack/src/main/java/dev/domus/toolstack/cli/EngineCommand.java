package dev.domus.toolstack.cli;

import picocli.CommandLine.Command;

/** {@code domus engine}. */
@Command(
    name = "engine",
    mixinStandardHelpOptions = true,
    description = "About engines.",
    subcommands = ListCommands.Engines.class)
final class EngineCommand extends CommandGroup {}
