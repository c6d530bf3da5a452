package dev.domus.kernel.plugin;

import java.io.PrintWriter;
import java.util.List;
import org.pf4j.ExtensionPoint;

/**
 * Extension point: a command that a plugin adds to the {@link CommandLine}. What comes after its
 * words is the plugin's own to read, options and {@code --help} included, so that the two share no
 * library and no class but this one.
 */
public interface Subcommand extends ExtensionPoint {
  /**
   * The words after {@code domus}: {@code [sched, simulate]}. All but the last name a group that
   * the command line has.
   */
  List<String> path();

  /** One line for the help of the group. */
  String description();

  /**
   * Carries it out.
   *
   * @param args what follows the words
   * @param host what there is
   * @param out standard output
   * @param err standard error
   * @return the process's exit status
   * @throws UsageException if nothing was done because of what the user gave
   */
  int run(List<String> args, Host host, PrintWriter out, PrintWriter err) throws UsageException;
}
