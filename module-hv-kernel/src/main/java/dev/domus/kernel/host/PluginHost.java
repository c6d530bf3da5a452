package dev.domus.kernel.host;

import dev.domus.kernel.plugin.CommandLine;
import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.plugin.PluginInfo;
import dev.domus.kernel.plugin.Service;
import dev.domus.kernel.plugin.Subcommand;
import dev.domus.kernel.plugin.VirtualTime;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.trace.Trace;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.pf4j.ExtensionPoint;

/**
 * The plugins of one process, as {@link Host} shows them. Thread-safe.
 *
 * <p><b>Lazy.</b> Making the host reads module descriptors and nothing more. {@link #commandLines}
 * and {@link #subcommands} load the plugins that provide one; all others are loaded when something
 * is first asked that depends on them. So {@code domus --help}, and every client command that talks
 * to a daemon, starts without engines and services, and hears nothing of their problems.
 *
 * <p><b>Locking.</b> One lock guards PF4J, the catalogue and the parts made of it. Plugin code runs
 * under it only while a plugin is loaded or unloaded or asked its name: constructors, {@code
 * start()}, {@code stop()}, {@code name()}, {@code unusableBecause()}; none of them is given this
 * host, so none can come back from another thread and wait. A machine is started outside the lock.
 *
 * <p><b>Unloading.</b> The host keeps no reference to extensions but through PF4J and {@link
 * Parts}, and drops both. Whoever took an engine, a scheduler or a service from it must have let go
 * of it for the class loader to be collected.
 */
public final class PluginHost implements Host {
  private final ReentrantLock lock = new ReentrantLock();
  private final LayerPluginManager plugins;
  private final Supplier<List<HypercallInfo>> hypercalls;
  private final MachineStarter starter;
  private final Consumer<PluginInfo> complaints;
  private final Set<PluginInfo> complainedOf = new HashSet<>();
  private Optional<Parts> parts = Optional.empty();
  private boolean machineRuns;

  /**
   * Reads what the plugin directories hold.
   *
   * @param directories each holds a folder or a jar a plugin; of two plugins with one name the
   *     first is used
   * @param nativeAccess who may call native code
   * @param hypercalls the hypercall table
   * @param starter makes machines
   * @param complaints hears once of every plugin that is not in use by its own fault, when all have
   *     been loaded
   */
  public PluginHost(
      List<Path> directories,
      NativeAccess nativeAccess,
      Supplier<List<HypercallInfo>> hypercalls,
      MachineStarter starter,
      Consumer<PluginInfo> complaints) {
    ModuleLayer kernel = PluginHost.class.getModule().getLayer();
    this.plugins = new LayerPluginManager(directories, kernel, nativeAccess);
    this.hypercalls = hypercalls;
    this.starter = starter;
    this.complaints = complaints;
    plugins.scan();
  }

  /** Command lines of the plugins that provide one; loads only those. */
  public List<CommandLine> commandLines() {
    return provided(CommandLine.class);
  }

  @Override
  public List<Subcommand> subcommands() {
    return provided(Subcommand.class);
  }

  /** Extensions of one type; loads only the plugins that provide it. */
  private <T extends ExtensionPoint> List<T> provided(Class<T> type) {
    lock.lock();
    try {
      for (Candidate plugin : plugins.catalogue().all()) {
        if (plugin.folder().isPresent() && plugin.folder().get().provides(type.getName())) {
          plugins.bring(plugin);
        }
      }
      return plugins.getExtensions(type);
    } finally {
      lock.unlock();
    }
  }

  @Override
  public List<NamedPart> engines() {
    return parts().engineNames();
  }

  @Override
  public List<NamedPart> schedulers() {
    return parts().schedulerNames();
  }

  @Override
  public List<ParameterInfo> schedulerParameters() {
    return parts().schedulerParameters();
  }

  @Override
  public List<SchedulerFactory> schedulerFactories() {
    return List.copyOf(parts().schedulers().values());
  }

  @Override
  public List<NamedPart> policies() {
    return parts().policyNames();
  }

  @Override
  public List<DeviceModelInfo> deviceModels() {
    return parts().modelInfos();
  }

  @Override
  public List<NamedPart> dmaModes() {
    return parts().dmaModeNames();
  }

  @Override
  public List<String> services() {
    return parts().services().stream()
        .sorted(Comparator.comparingInt(Service::order))
        .map(Service::name)
        .toList();
  }

  @Override
  public List<PluginInfo> plugins() {
    lock.lock();
    try {
      parts();
      List<PluginInfo> infos = new ArrayList<>();
      for (Candidate plugin : plugins.catalogue().all()) {
        infos.add(plugin.info());
      }
      return infos;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public List<HypercallInfo> hypercalls() {
    return hypercalls.get();
  }

  @Override
  public Machine start(MachineSpec spec) throws MachineException {
    Parts all = parts();
    if (!all.schedulers().containsKey(spec.scheduler())) {
      throw new MachineException(
          "scheduler=%s does not exist; there %s"
              .formatted(spec.scheduler(), listed(all.schedulers().keySet())));
    }
    if (all.engines().isEmpty()) {
      throw new MachineException(
          "no engine can run guests here; "
              + (all.unusable().isEmpty()
                  ? "no plugin provides one that works (\"domus plugins\" lists them)"
                  : String.join("; ", all.unusable())));
    }
    claimMachine();
    try {
      Machine machine =
          starter.start(
              spec,
              all.engines(),
              all.schedulers(),
              all.policies(),
              all.models(),
              all.dmaModes(),
              all.services());
      return new OnlyMachine(machine);
    } catch (MachineException | RuntimeException | Error failed) {
      releaseMachine();
      throw failed;
    }
  }

  /**
   * Loads a plugin that was not there when the directories were read, or that was unloaded since.
   * It is read anew.
   *
   * @param path its folder or jar
   * @return what became of it
   */
  PluginInfo load(Path path) {
    lock.lock();
    try {
      parts = Optional.empty();
      Candidate plugin = plugins.catalogue().add(path);
      plugins.bring(plugin);
      return plugin.info();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Unloads a plugin and all that require it. The caller has ended what used them.
   *
   * @param id its module name
   * @return what was unloaded; empty if it was not loaded
   */
  List<PluginInfo> unload(String id) {
    lock.lock();
    try {
      parts = Optional.empty();
      List<PluginInfo> infos = new ArrayList<>();
      for (Candidate plugin : plugins.unload(id)) {
        plugin.takeOut();
        infos.add(plugin.info());
      }
      return infos;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Unloads a plugin, reads it anew, and loads it and all that require it again; PF4J alone would
   * leave the latter unloaded.
   *
   * @param id its module name
   * @return what became of each
   */
  List<PluginInfo> reload(String id) {
    lock.lock();
    try {
      parts = Optional.empty();
      List<Candidate> again = new ArrayList<>();
      for (Candidate plugin : plugins.unload(id)) {
        again.add(plugins.catalogue().add(plugin.path()));
      }
      List<PluginInfo> infos = new ArrayList<>();
      for (Candidate plugin : again) {
        plugins.bring(plugin);
        infos.add(plugin.info());
      }
      return infos;
    } finally {
      lock.unlock();
    }
  }

  /** The class loader of a plugin in use. */
  Optional<ClassLoader> loader(String id) {
    lock.lock();
    try {
      return Optional.ofNullable(plugins.getPluginClassLoader(id));
    } finally {
      lock.unlock();
    }
  }

  /** Loads all plugins, if that was not done, and asks them what they are. */
  private Parts parts() {
    lock.lock();
    try {
      if (parts.isEmpty()) {
        plugins.startPlugins();
        parts = Optional.of(new Parts(plugins));
        complain();
      }
      return parts.get();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Tells of the problems of all plugins, even if not all were loaded. Nobody is told the same
   * thing twice.
   */
  public void complain() {
    lock.lock();
    try {
      for (Candidate plugin : plugins.catalogue().all()) {
        if (!plugin.complaint().isEmpty() && complainedOf.add(plugin.info())) {
          complaints.accept(plugin.info());
        }
      }
    } finally {
      lock.unlock();
    }
  }

  private static String listed(Set<String> names) {
    return names.isEmpty()
        ? "is none"
        : (names.size() == 1 ? "is " : "are ") + String.join(", ", names);
  }

  private void claimMachine() throws MachineException {
    lock.lock();
    try {
      if (machineRuns) {
        throw new MachineException("a machine runs in this process already; close it first");
      }
      machineRuns = true;
    } finally {
      lock.unlock();
    }
  }

  private void releaseMachine() {
    lock.lock();
    try {
      machineRuns = false;
    } finally {
      lock.unlock();
    }
  }

  /** The one machine; when it is closed, another may be started. */
  private final class OnlyMachine implements Machine {
    private final Machine machine;
    private boolean closed;

    OnlyMachine(Machine machine) {
      this.machine = machine;
    }

    @Override
    public ServiceDomain domain0() {
      return machine.domain0();
    }

    @Override
    public Trace trace() {
      return machine.trace();
    }

    @Override
    public Optional<VirtualTime> virtualTime() {
      return machine.virtualTime();
    }

    @Override
    public List<ServiceDomain> driverDomains() {
      return machine.driverDomains();
    }

    @Override
    public Optional<ServiceDomain> domainOf(String service) {
      return machine.domainOf(service);
    }

    @Override
    public synchronized void close() {
      if (!closed) {
        closed = true;
        try {
          machine.close();
        } finally {
          releaseMachine();
        }
      }
    }
  }
}
