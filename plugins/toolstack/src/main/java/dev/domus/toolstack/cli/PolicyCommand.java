package dev.domus.toolstack.cli;

import picocli.CommandLine.Command;

/** {@code domus policy}. */
@Command(
    name = "policy",
    mixinStandardHelpOptions = true,
    description = "About access policies: which domain may do what to which.",
    subcommands = ListCommands.Policies.class)
final class PolicyCommand extends CommandGroup {}
