package dev.domus.toolstack.cli;

import picocli.CommandLine.Command;

/** {@code domus device}. */
@Command(
    name = "device",
    mixinStandardHelpOptions = true,
    description = "About PCI devices.",
    subcommands = {ListCommands.Devices.class, ListCommands.DmaModes.class})
final class DeviceCommand extends CommandGroup {}
