package dev.domus.kernel.plugin;

import org.pf4j.ExtensionPoint;

/**
 * Extension point: what {@code domus} does with its arguments. Exactly one loaded plugin provides
 * it.
 */
public interface CommandLine extends ExtensionPoint {
  /**
   * Carries out one command.
   *
   * @param args the command line after {@code domus}
   * @param host plugins, engines, schedulers, and the way to start the machine
   * @return the process's exit status
   */
  int run(String[] args, Host host);
}
