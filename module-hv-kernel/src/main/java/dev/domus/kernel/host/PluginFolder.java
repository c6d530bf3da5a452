package dev.domus.kernel.host;

import java.io.IOException;
import java.lang.module.FindException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleDescriptor.Requires;
import java.lang.module.ModuleFinder;
import java.lang.module.ModuleReference;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The modules of one plugin, read but not loaded: a folder of jars, or a single jar.
 *
 * <p>Which jar of a folder is the plugin? <b>The one whose module descriptor requires {@code
 * dev.domus.kernel}.</b> There must be exactly one; all other jars are its private libraries, which
 * know nothing of the kernel. The rule needs no marker file and no naming convention, holds for a
 * plugin that provides nothing yet, and cannot be met by accident: an automatic module requires
 * nothing.
 *
 * <p>Other files than jars are left alone. The folder is the plugin: every jar in it becomes part
 * of its layer, so each must be sound.
 *
 * @param path the folder or jar
 * @param plugin the plugin's own module
 * @param modules all modules, the plugin's too, by name
 */
record PluginFolder(Path path, ModuleReference plugin, Map<String, ModuleReference> modules)
    implements ModuleFinder {
  static final String KERNEL = "dev.domus.kernel";

  /**
   * Reads the descriptors of all jars of a plugin and checks what can be checked without knowing
   * other plugins.
   *
   * @param path a folder or a jar
   * @throws BrokenPlugin if something is wrong with it
   */
  static PluginFolder read(Path path) {
    Map<String, ModuleReference> modules = new LinkedHashMap<>();
    Map<String, Path> jarOfModule = new HashMap<>();
    Map<String, Path> jarOfPackage = new HashMap<>();
    ModuleReference plugin = null;
    for (Path jar : jars(path)) {
      ModuleReference module = readJar(jar);
      ModuleDescriptor descriptor = module.descriptor();
      Path other = jarOfModule.put(descriptor.name(), jar);
      if (other != null) {
        throw new BrokenPlugin(
            "%s and %s are both module %s; remove one"
                .formatted(other.getFileName(), jar.getFileName(), descriptor.name()));
      }
      for (String name : descriptor.packages()) {
        other = jarOfPackage.put(name, jar);
        if (other != null) {
          throw new BrokenPlugin(
              "%s and %s both hold package %s (split package); remove one, or merge them"
                  .formatted(other.getFileName(), jar.getFileName(), name));
        }
      }
      modules.put(descriptor.name(), module);
      if (requires(descriptor, KERNEL)) {
        if (plugin != null) {
          throw new BrokenPlugin(
              "%s and %s both require %s, and one of a folder must; give each plugin a folder of its own"
                  .formatted(
                      jarOfModule.get(plugin.descriptor().name()).getFileName(),
                      jar.getFileName(),
                      KERNEL));
        }
        plugin = module;
      }
    }
    if (plugin == null) {
      throw new BrokenPlugin(
          "no module descriptor in %s requires %s; a plugin needs a module-info.class that does"
              .formatted(fileNames(jarOfModule.values()), KERNEL));
    }
    return new PluginFolder(path, plugin, Collections.unmodifiableMap(modules));
  }

  /** The plugin's module name. */
  String id() {
    return plugin.descriptor().name();
  }

  /** The plugin's module version, or empty. */
  String version() {
    return plugin.descriptor().rawVersion().orElse("");
  }

  /** Whether the plugin's module descriptor says that it provides a service. */
  boolean provides(String service) {
    for (ModuleDescriptor.Provides provides : plugin.descriptor().provides()) {
      if (provides.service().equals(service)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Names of the modules that must come from outside: what any module here requires and the folder
   * does not hold. What is required at compile time only ({@code requires static}) is not among
   * them, present or not: a plugin cannot depend on another one a little, because it would keep it
   * from being unloaded.
   */
  Set<String> outerRequires() {
    Set<String> names = new LinkedHashSet<>();
    for (ModuleReference module : modules.values()) {
      for (Requires requires : module.descriptor().requires()) {
        if (!requires.modifiers().contains(Requires.Modifier.STATIC)
            && !modules.containsKey(requires.name())) {
          names.add(requires.name());
        }
      }
    }
    return names;
  }

  @Override
  public Optional<ModuleReference> find(String name) {
    return Optional.ofNullable(modules.get(name));
  }

  @Override
  public Set<ModuleReference> findAll() {
    return Set.copyOf(modules.values());
  }

  private static boolean requires(ModuleDescriptor descriptor, String module) {
    for (Requires requires : descriptor.requires()) {
      if (requires.name().equals(module)) {
        return true;
      }
    }
    return false;
  }

  private static List<Path> jars(Path path) {
    if (!Files.isDirectory(path)) {
      return List.of(path);
    }
    List<Path> jars = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(path, "*.jar")) {
      files.forEach(jars::add);
    } catch (IOException unreadable) {
      throw new BrokenPlugin(
          "the folder cannot be read (" + Faults.reason(unreadable) + "); check its permissions",
          unreadable);
    }
    if (jars.isEmpty()) {
      throw new BrokenPlugin("the folder holds no jar; put the plugin's there, or remove it");
    }
    Collections.sort(jars);
    return jars;
  }

  private static ModuleReference readJar(Path jar) {
    String problem;
    try {
      Set<ModuleReference> found = ModuleFinder.of(jar).findAll();
      if (found.size() == 1) {
        return found.iterator().next();
      }
      problem = "it holds no module";
    } catch (FindException unreadable) {
      problem = Faults.reason(unreadable);
    }
    throw new BrokenPlugin(
        "%s is no jar that can be used (%s); build it again, or remove it"
            .formatted(jar.getFileName(), problem));
  }

  private static String fileNames(Iterable<Path> jars) {
    StringBuilder names = new StringBuilder();
    for (Path jar : jars) {
      names.append(names.isEmpty() ? "" : ", ").append(jar.getFileName());
    }
    return names.toString();
  }
}
