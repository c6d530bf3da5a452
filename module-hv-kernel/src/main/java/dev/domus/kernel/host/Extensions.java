package dev.domus.kernel.host;

import java.lang.module.ModuleDescriptor;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import org.pf4j.ExtensionDescriptor;
import org.pf4j.ExtensionFinder;
import org.pf4j.ExtensionPoint;
import org.pf4j.ExtensionWrapper;
import org.pf4j.Plugin;

/**
 * The extensions of all started plugins, as PF4J asks for them. What a module descriptor {@code
 * provides} is an extension if the service is a PF4J {@link ExtensionPoint}; other services (such
 * as those of the JDK) are between the plugin and its libraries.
 *
 * <p>An extension is made once, when its plugin starts, by {@link ServiceLoader}: it alone may call
 * the constructor of a class in a package that is not exported; PF4J's reflective factory cannot.
 * All extensions of a plugin are made together, so that a plugin whose class throws is known to be
 * broken before anything relies on it. A class that provides two extension points is made twice, as
 * {@code ServiceLoader} does.
 *
 * <p>Not thread-safe; guarded by the lock of {@link PluginHost}.
 */
final class Extensions implements ExtensionFinder {
  /** By plugin, in the order of their start. */
  private final Map<String, List<Made<?>>> byPlugin = new LinkedHashMap<>();

  /**
   * Makes the extensions of a plugin.
   *
   * @throws BrokenPlugin if a class is missing, is not what it should be, or throws
   */
  void make(PluginLayer plugin) {
    List<Made<?>> made = new ArrayList<>();
    for (ModuleDescriptor.Provides provides : plugin.module().getDescriptor().provides()) {
      Class<?> service = serviceType(plugin, provides.service());
      if (ExtensionPoint.class.isAssignableFrom(service)) {
        for (Object extension : instances(plugin, service, provides.providers())) {
          made.add(new Made<>(service, extension));
        }
      }
    }
    byPlugin.put(plugin.folder().id(), made);
  }

  /** Drops the extensions of a plugin, the kernel's last references to its classes. */
  void drop(String pluginId) {
    byPlugin.remove(pluginId);
  }

  /**
   * Makes the plugin's own PF4J {@link Plugin}, which hears of start and stop, if its descriptor
   * provides one.
   *
   * @throws BrokenPlugin if that fails
   */
  static Plugin pluginOf(PluginLayer plugin) {
    for (ModuleDescriptor.Provides provides : plugin.module().getDescriptor().provides()) {
      if (provides.service().equals(Plugin.class.getName())) {
        return instances(plugin, Plugin.class, provides.providers()).getFirst();
      }
    }
    return new Plugin();
  }

  private static Class<?> serviceType(PluginLayer plugin, String name) {
    try {
      return plugin.loader().loadClass(name);
    } catch (ClassNotFoundException | LinkageError missing) {
      throw new BrokenPlugin(
          "it provides %s, which cannot be loaded (%s); build it against this version of Domus"
              .formatted(name, Faults.inOneLine(missing)),
          missing);
    }
  }

  /**
   * The providers of one service in the plugin's own layer. The loader would go on with the parent
   * layers, so it is asked exactly as often as there are providers here; it starts with this layer,
   * in the descriptor's order.
   */
  private static <T> List<T> instances(
      PluginLayer plugin, Class<T> service, List<String> providers) {
    // A loader serves only services that its caller uses; the kernel cannot name those that plugins
    // invent.
    Extensions.class.getModule().addUses(service);
    List<T> instances = new ArrayList<>();
    Iterator<T> loader = ServiceLoader.load(plugin.layer(), service).iterator();
    for (String provider : providers) {
      try {
        instances.add(loader.next());
      } catch (ServiceConfigurationError | LinkageError fault) {
        Faults.rethrowIfOurs(fault);
        throw new BrokenPlugin(
            "%s, its %s, cannot be made: %s; mend its constructor or the plugin's libraries"
                .formatted(provider, service.getSimpleName(), Faults.inOneLine(fault)),
            fault);
      }
    }
    return instances;
  }

  @Override
  @SuppressWarnings("unchecked") // a made extension is of its service's type, which is T
  public <T> List<ExtensionWrapper<T>> find(Class<T> type, String pluginId) {
    List<ExtensionWrapper<T>> found = new ArrayList<>();
    for (Made<?> made : byPlugin.getOrDefault(pluginId, List.of())) {
      if (made.service == type) {
        found.add((ExtensionWrapper<T>) made);
      }
    }
    return found;
  }

  @Override
  public <T> List<ExtensionWrapper<T>> find(Class<T> type) {
    List<ExtensionWrapper<T>> found = new ArrayList<>();
    for (String plugin : byPlugin.keySet()) {
      found.addAll(find(type, plugin));
    }
    return found;
  }

  @Override
  @SuppressWarnings("rawtypes") // PF4J's signature
  public List<ExtensionWrapper> find(String pluginId) {
    return new ArrayList<>(byPlugin.getOrDefault(pluginId, List.of()));
  }

  @Override
  public Set<String> findClassNames(String pluginId) {
    Set<String> names = new LinkedHashSet<>();
    for (Made<?> made : byPlugin.getOrDefault(pluginId, List.of())) {
      names.add(made.extension.getClass().getName());
    }
    return names;
  }

  /** An extension that exists. PF4J's factory, which the superclass would ask, is never needed. */
  private static final class Made<T> extends ExtensionWrapper<T> {
    private final Class<?> service;
    private final T extension;

    Made(Class<?> service, T extension) {
      super(new ExtensionDescriptor(0, extension.getClass()), null);
      this.service = service;
      this.extension = extension;
    }

    @Override
    public T getExtension() {
      return extension;
    }
  }
}
