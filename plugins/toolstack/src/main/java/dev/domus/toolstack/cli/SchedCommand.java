package dev.domus.toolstack.cli;

import picocli.CommandLine.Command;

/** {@code domus sched}. */
@Command(
    name = "sched",
    mixinStandardHelpOptions = true,
    description = "About schedulers.",
    subcommands = {ListCommands.Schedulers.class, ListCommands.Parameters.class})
final class SchedCommand extends CommandGroup {}
