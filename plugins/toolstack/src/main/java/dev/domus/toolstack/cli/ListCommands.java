package dev.domus.toolstack.cli;

import dev.domus.kernel.device.DeviceOption;
import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.PluginInfo;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The commands that list what there is. None of them starts the machine. */
final class ListCommands {
  private ListCommands() {}

  /** What they have in common. */
  private abstract static class ListCommand implements Callable<Integer> {
    final Host host;
    private final PrintWriter out;

    @Option(
        names = "--json",
        description = "Print JSON: an array with one object a line of the table.")
    private boolean json;

    ListCommand(Host host, PrintWriter out) {
      this.host = host;
      this.out = out;
    }

    abstract Listing listing();

    @Override
    public Integer call() {
      listing().print(out, json);
      return ExitStatus.OK;
    }
  }

  private static Listing parts(List<Host.NamedPart> parts) {
    Listing listing = new Listing("name", "description");
    parts.forEach(part -> listing.add(part.name(), part.description()));
    return listing;
  }

  /** {@code domus plugin list}. */
  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "List the plugins that were found, and what became of them.")
  static final class Plugins extends ListCommand {
    Plugins(Host host, PrintWriter out) {
      super(host, out);
    }

    @Override
    Listing listing() {
      Listing listing = new Listing("id", "version", "location", "problem");
      for (PluginInfo plugin : host.plugins()) {
        listing.add(plugin.id(), plugin.version(), plugin.location(), plugin.problem());
      }
      return listing;
    }
  }

  /** {@code domus sched list}. */
  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "List the schedulers that run --scheduler takes.")
  static final class Schedulers extends ListCommand {
    Schedulers(Host host, PrintWriter out) {
      super(host, out);
    }

    @Override
    Listing listing() {
      Listing listing = new Listing("name", "description", "pool-parameters", "vcpu-parameters");
      for (Host.NamedPart part : host.schedulers()) {
        listing.add(
            part.name(),
            part.description(),
            parameters(part.name(), "pool"),
            parameters(part.name(), "vcpu"));
      }
      return listing;
    }

    private String parameters(String scheduler, String of) {
      return host.schedulerParameters().stream()
          .filter(parameter -> parameter.scheduler().equals(scheduler) && parameter.of().equals(of))
          .map(Host.ParameterInfo::name)
          .collect(Collectors.joining(", "));
    }
  }

  /** {@code domus sched parameters}. */
  @Command(
      name = "parameters",
      mixinStandardHelpOptions = true,
      description = "List the parameters of the schedulers: ranges, units, defaults.")
  static final class Parameters extends ListCommand {
    Parameters(Host host, PrintWriter out) {
      super(host, out);
    }

    @Override
    Listing listing() {
      Listing listing =
          new Listing("scheduler", "of", "name", "type", "range", "default", "description");
      for (Host.ParameterInfo parameter : host.schedulerParameters()) {
        listing.add(
            parameter.scheduler(),
            parameter.of(),
            parameter.name(),
            parameter.type(),
            parameter.range(),
            parameter.value(),
            parameter.description());
      }
      return listing;
    }
  }

  /** {@code domus engine list}. */
  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "List the engines that run --engine takes, the default first.")
  static final class Engines extends ListCommand {
    Engines(Host host, PrintWriter out) {
      super(host, out);
    }

    @Override
    Listing listing() {
      return parts(host.engines());
    }
  }

  /** {@code domus device list}. */
  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "List the device models that run --device takes, and their options.")
  static final class Devices extends ListCommand {
    Devices(Host host, PrintWriter out) {
      super(host, out);
    }

    @Override
    Listing listing() {
      Listing listing = new Listing("model", "description", "options");
      for (Host.DeviceModelInfo model : host.deviceModels()) {
        listing.add(
            model.name(),
            model.description(),
            model.options().stream().map(Devices::option).collect(Collectors.joining(", ")));
      }
      return listing;
    }

    /** As it may be written: with its default, or what a value that has to be given looks like. */
    private static String option(DeviceOption option) {
      return option.name() + "=" + option.defaultText().orElse(option.form());
    }
  }

  /** {@code domus device modes}. */
  @Command(
      name = "modes",
      mixinStandardHelpOptions = true,
      description =
          "List the modes of protection for DMA that drivers in service domains choose from, the built-in one first.")
  static final class DmaModes extends ListCommand {
    DmaModes(Host host, PrintWriter out) {
      super(host, out);
    }

    @Override
    Listing listing() {
      return parts(host.dmaModes());
    }
  }

  /** {@code domus policy list}. */
  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "List the access policies that run --policy takes, the built-in one first.")
  static final class Policies extends ListCommand {
    Policies(Host host, PrintWriter out) {
      super(host, out);
    }

    @Override
    Listing listing() {
      return parts(host.policies());
    }
  }

  /** {@code domus hypercalls}. */
  @Command(
      name = "hypercalls",
      mixinStandardHelpOptions = true,
      description = "List every hypercall and sub-operation: done, refused on purpose, or absent.")
  static final class Hypercalls extends ListCommand {
    Hypercalls(Host host, PrintWriter out) {
      super(host, out);
    }

    @Override
    Listing listing() {
      Listing listing = new Listing("number", "name", "subop", "subop-name", "state", "why");
      for (Host.HypercallInfo call : host.hypercalls()) {
        String subop = call.command().isPresent() ? "" + call.command().getAsInt() : "";
        listing.add(call.number(), call.name(), subop, call.subop(), call.state(), call.why());
      }
      return listing;
    }
  }
}
