package dev.domus.plugin.kit;

import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.Subcommand;
import dev.domus.kernel.plugin.UsageException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine;

/** {@code domus plugin new}, as the command line finds it. */
public final class NewPluginSubcommand implements Subcommand {
  /** Made by the plugin host. */
  public NewPluginSubcommand() {}

  @Override
  public List<String> path() {
    return List.of("plugin", "new");
  }

  @Override
  public String description() {
    return "Begin a plugin of your own: a Maven project that builds and passes its tests.";
  }

  @Override
  public int run(List<String> args, Host host, PrintWriter out, PrintWriter err)
      throws UsageException {
    return run(args, host, out, Path.of(""), Image.ofThisPlugin());
  }

  /**
   * As the other, elsewhere.
   *
   * @param here what relative paths start from
   */
  static int run(List<String> args, Host host, PrintWriter out, Path here, Image image)
      throws UsageException {
    NewPluginCommand command = new NewPluginCommand();
    CommandLine line = new CommandLine(command).setOut(out).setUsageHelpAutoWidth(true);
    try {
      if (line.parseArgs(args.toArray(String[]::new)).isUsageHelpRequested()) {
        line.usage(out);
        return 0;
      }
    } catch (CommandLine.ParameterException e) {
      throw new UsageException(
          e.getMessage().lines().findFirst().orElse("cannot be understood")
              + "; see \"domus plugin new --help\"");
    }
    return command.run(host, out, here, image);
  }
}
