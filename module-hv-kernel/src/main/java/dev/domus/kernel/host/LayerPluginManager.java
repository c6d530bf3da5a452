package dev.domus.kernel.host;

import java.lang.module.ModuleFinder;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.pf4j.AbstractPluginManager;
import org.pf4j.DefaultPluginDescriptor;
import org.pf4j.DefaultVersionManager;
import org.pf4j.ExtensionFactory;
import org.pf4j.ExtensionFinder;
import org.pf4j.PluginDescriptor;
import org.pf4j.PluginDescriptorFinder;
import org.pf4j.PluginFactory;
import org.pf4j.PluginLoader;
import org.pf4j.PluginRepository;
import org.pf4j.PluginRuntimeException;
import org.pf4j.PluginState;
import org.pf4j.PluginStatusProvider;
import org.pf4j.PluginWrapper;
import org.pf4j.VersionManager;

/**
 * PF4J's life cycle over module layers: a plugin id is a module name, dependencies are {@code
 * requires}, a class loader is a layer's, extensions are {@code provides}.
 *
 * <p><b>Order.</b> PF4J loads all plugins and then sorts them; a layer, however, needs the layers
 * of what it requires when it is defined. So {@link #bring} follows the requirements itself, loads
 * and starts each plugin after those that it requires, and leaves PF4J the book-keeping. It also
 * brings only what is asked for: a command that needs no engine loads none.
 *
 * <p><b>Failure.</b> A plugin is in use as a whole or not at all. Whatever goes wrong while it is
 * brought (reading, linking, constructors, start) unloads it again and is noted at its {@link
 * Candidate}, in one line; those that require it follow. PF4J's bulk methods, which log stack
 * traces and go on, are not used.
 *
 * <p><b>Threads.</b> PF4J is not thread-safe and neither is this class: {@link PluginHost} owns it
 * and calls it under its lock.
 */
final class LayerPluginManager extends AbstractPluginManager {
  private final ModuleLayer kernel;
  private final NativeAccess nativeAccess;
  private final Catalogue catalogue;
  private final Extensions extensions;
  private final Map<String, PluginLayer> layers;

  /**
   * A manager that has read nothing yet.
   *
   * @param roots plugin directories
   * @param kernel the layer that holds the kernel and all that it gives to plugins
   */
  LayerPluginManager(List<Path> roots, ModuleLayer kernel, NativeAccess nativeAccess) {
    // Before super(), which calls the create methods below.
    this.extensions = new Extensions();
    this.layers = new HashMap<>();
    this.kernel = kernel;
    this.nativeAccess = nativeAccess;
    this.catalogue = new Catalogue(roots, kernel);
    super(roots);
  }

  /** What was found, and what became of it. */
  Catalogue catalogue() {
    return catalogue;
  }

  /** Reads the plugin directories; loads nothing. */
  void scan() {
    catalogue.scan();
  }

  @Override
  public void loadPlugins() {
    scan();
    startPlugins();
  }

  @Override
  public void startPlugins() {
    for (Candidate candidate : catalogue.all()) {
      bring(candidate);
    }
  }

  /**
   * Loads and starts a plugin and those that it requires, unless that was done or has failed
   * before.
   *
   * @return whether it is in use
   */
  boolean bring(Candidate candidate) {
    return bring(candidate, new ArrayDeque<>());
  }

  private boolean bring(Candidate candidate, Deque<Candidate> requiredBy) {
    if (candidate.isBroken()) {
      return false;
    }
    if (layers.containsKey(candidate.id())) {
      return true;
    }
    if (requiredBy.contains(candidate)) {
      failCycle(candidate, requiredBy);
      return false;
    }
    requiredBy.addLast(candidate);
    try {
      for (String name : candidate.folder().orElseThrow().outerRequires()) {
        if (kernel.findModule(name).isEmpty()) {
          bringRequired(name, candidate, requiredBy);
        }
      }
      if (!candidate.isBroken()) {
        loadAndStart(candidate);
      }
    } finally {
      requiredBy.removeLast();
    }
    return !candidate.isBroken();
  }

  private void bringRequired(String name, Candidate dependent, Deque<Candidate> requiredBy) {
    Optional<Candidate> required = catalogue.find(name);
    if (required.isPresent()) {
      if (!bring(required.get(), requiredBy)) {
        dependent.fail(
            "it requires plugin %s, which is not in use; mend that one first".formatted(name));
      }
    } else if (ModuleFinder.ofSystem().find(name).isPresent()) {
      dependent.fail(
          "it requires module %s, which the JDK has and this JVM was not started with; set DOMUS_JAVA_OPTS=--add-modules=%s"
              .formatted(name, name));
    } else {
      dependent.fail(
          "it requires module %s, which is neither in its folder nor a plugin; put its jar into %s"
              .formatted(name, dependent.path().getFileName()));
    }
  }

  private static void failCycle(Candidate candidate, Deque<Candidate> requiredBy) {
    List<Candidate> cycle = new ArrayList<>(requiredBy);
    cycle = cycle.subList(cycle.indexOf(candidate), cycle.size());
    StringBuilder path = new StringBuilder();
    for (Candidate member : cycle) {
      path.append(member.id()).append(" → ");
    }
    path.append(candidate.id());
    for (Candidate member : cycle) {
      member.fail(
          "it is one of plugins that require each other (%s); remove one requirement"
              .formatted(path));
    }
  }

  private void loadAndStart(Candidate candidate) {
    String id = candidate.id();
    try {
      loadPlugin(candidate.path());
      startPlugin(id);
      extensions.make(layers.get(id));
    } catch (BrokenPlugin broken) {
      candidate.fail(broken.getMessage());
    } catch (Throwable fault) { // of code that others wrote: whatever it is, the rest runs
      Faults.rethrowIfOurs(fault);
      candidate.fail(
          "it fails to start: %s; mend it or remove it".formatted(Faults.inOneLine(fault)));
    }
    if (candidate.isBroken()) {
      discard(id);
    }
  }

  /**
   * Stops and unloads a plugin and all that require it. The caller has ended what used their
   * extensions.
   *
   * @return those that were unloaded
   */
  List<Candidate> unload(String id) {
    List<Candidate> unloaded = new ArrayList<>();
    for (String dependent : dependencyResolver.getDependents(id)) {
      unloaded.addAll(unload(dependent));
    }
    if (layers.containsKey(id)) {
      catalogue.find(id).ifPresent(candidate -> unloaded.add(0, candidate));
      discard(id);
    }
    return unloaded;
  }

  @Override
  public boolean unloadPlugin(String pluginId) {
    return !unload(pluginId).isEmpty();
  }

  /** Forgets a plugin, however far it got. */
  private void discard(String id) {
    extensions.drop(id);
    PluginWrapper plugin = getPlugin(id);
    if (plugin != null) {
      try {
        stopPlugin(id, false);
      } catch (Throwable fault) { // its stop() threw: nobody is left whom it would matter to
        Faults.rethrowIfOurs(fault);
        plugin.setPluginState(PluginState.FAILED);
        startedPlugins.remove(plugin);
      }
      unloadPlugin(id, false, true);
    }
    layers.remove(id);
  }

  private ClassLoader define(Path path, String id) {
    PluginFolder folder = candidate(path).folder().orElseThrow();
    List<PluginLayer> required = new ArrayList<>();
    for (String name : folder.outerRequires()) {
      PluginLayer layer = layers.get(name);
      if (layer != null) {
        required.add(layer);
      }
    }
    PluginLayer layer = PluginLayer.define(folder, kernel, required, nativeAccess);
    layers.put(id, layer);
    return layer.loader();
  }

  private PluginDescriptor describe(Path path) {
    Candidate candidate = candidate(path);
    if (candidate.isBroken()) {
      throw new BrokenPlugin(candidate.problem());
    }
    return new ModuleAsPlugin(candidate.folder().orElseThrow(), kernel);
  }

  private Candidate candidate(Path path) {
    return catalogue.find(path).orElseGet(() -> catalogue.add(path));
  }

  @Override
  protected PluginRepository createPluginRepository() {
    return catalogue;
  }

  @Override
  protected PluginDescriptorFinder createPluginDescriptorFinder() {
    return new PluginDescriptorFinder() {
      @Override
      public boolean isApplicable(Path path) {
        return true;
      }

      @Override
      public PluginDescriptor find(Path path) {
        return describe(path);
      }
    };
  }

  @Override
  protected PluginLoader createPluginLoader() {
    return new PluginLoader() {
      @Override
      public boolean isApplicable(Path path) {
        return true;
      }

      @Override
      public ClassLoader loadPlugin(Path path, PluginDescriptor descriptor) {
        return define(path, descriptor.getPluginId());
      }
    };
  }

  @Override
  protected PluginFactory createPluginFactory() {
    return wrapper -> Extensions.pluginOf(layers.get(wrapper.getPluginId()));
  }

  @Override
  protected ExtensionFinder createExtensionFinder() {
    return extensions;
  }

  @Override
  protected ExtensionFactory createExtensionFactory() {
    return new ExtensionFactory() {
      @Override
      public <T> T create(Class<T> type) {
        throw new PluginRuntimeException(
            "extensions are made when their plugin starts; ask getExtensions()");
      }
    };
  }

  /** A plugin is disabled by taking it out of the directory. */
  @Override
  protected PluginStatusProvider createPluginStatusProvider() {
    return new PluginStatusProvider() {
      @Override
      public boolean isPluginDisabled(String pluginId) {
        return false;
      }

      @Override
      public void disablePlugin(String pluginId) {}

      @Override
      public void enablePlugin(String pluginId) {}
    };
  }

  /** Never compares: module descriptors ask for no versions. */
  @Override
  protected VersionManager createVersionManager() {
    return new DefaultVersionManager();
  }

  /** A module descriptor in PF4J's words. */
  private static final class ModuleAsPlugin extends DefaultPluginDescriptor {
    ModuleAsPlugin(PluginFolder folder, ModuleLayer kernel) {
      setPluginId(folder.id());
      setPluginVersion(folder.version());
      setPluginDescription("");
      List<String> plugins = new ArrayList<>();
      for (String name : folder.outerRequires()) {
        if (kernel.findModule(name).isEmpty()) {
          plugins.add(name);
        }
      }
      setDependencies(plugins.toArray(String[]::new));
    }
  }
}
