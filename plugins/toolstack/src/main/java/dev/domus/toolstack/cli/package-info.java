/**
 * The command line: one class a command, with picocli. Start at {@link
 * dev.domus.toolstack.cli.DomusCommandLine}; exit statuses are in {@link
 * dev.domus.toolstack.cli.ExitStatus}.
 */
package dev.domus.toolstack.cli;
