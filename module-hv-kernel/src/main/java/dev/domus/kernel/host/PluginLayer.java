package dev.domus.kernel.host;

import java.lang.module.Configuration;
import java.lang.module.FindException;
import java.lang.module.ModuleFinder;
import java.lang.module.ResolutionException;
import java.util.ArrayList;
import java.util.List;

/**
 * A loaded plugin: its modules, defined in a layer of their own.
 *
 * <p><b>One class loader a plugin</b>, for its module and its private libraries alike, so that two
 * plugins can hold two versions of one library, and so that a plugin can be unloaded: nothing
 * outside the plugin refers to the loader once its extensions are dropped, and it is collected with
 * all its classes. The loader keeps the jars open until then.
 *
 * <p><b>The loader's parent is the boot loader</b>, not the platform's or ours. Classes of other
 * modules are found through readability alone, by the map from package to loader that the layer
 * makes of its configuration. With the platform loader as parent, {@code Class.forName} on kernel
 * internals would succeed. This is encapsulation against accidents; it is no sandbox: a plugin can
 * call what an unqualified {@code exports} exports, and runs in our process.
 *
 * <p><b>Parent layers</b> are the kernel's own and those of the plugins that it requires, in the
 * order of its descriptor. The folder is searched before the parents: its own copy of a library
 * wins.
 *
 * @param folder what was loaded
 * @param layer the layer
 */
record PluginLayer(PluginFolder folder, ModuleLayer layer) {

  /**
   * Defines the layer. No code of the plugin runs.
   *
   * @param kernel the layer that holds the kernel
   * @param required layers of the plugins that it requires
   * @throws BrokenPlugin if the modules do not fit together
   */
  // enableNativeAccess is restricted because it hands on a right; the right is the kernel's, and
  // the policy says who gets it.
  @SuppressWarnings("restricted")
  static PluginLayer define(
      PluginFolder folder,
      ModuleLayer kernel,
      List<PluginLayer> required,
      NativeAccess nativeAccess) {
    List<ModuleLayer> parents = new ArrayList<>();
    List<Configuration> parentConfigurations = new ArrayList<>();
    for (PluginLayer plugin : required) {
      parents.add(plugin.layer);
      parentConfigurations.add(plugin.layer.configuration());
    }
    parents.add(kernel);
    parentConfigurations.add(kernel.configuration());
    try {
      // All modules are roots: an automatic module does not say which of the others it needs.
      Configuration configuration =
          Configuration.resolve(
              folder, parentConfigurations, ModuleFinder.of(), folder.modules().keySet());
      ModuleLayer.Controller controller =
          ModuleLayer.defineModulesWithOneLoader(configuration, parents, null);
      ModuleLayer layer = controller.layer();
      if (nativeAccess.isGrantedTo(folder.id())) {
        controller.enableNativeAccess(layer.findModule(folder.id()).orElseThrow());
      }
      return new PluginLayer(folder, layer);
    } catch (FindException
        | ResolutionException
        | LayerInstantiationException
        | IllegalArgumentException
        | SecurityException unfit) {
      throw new BrokenPlugin(
          "its modules do not fit together (%s); build it against this version of Domus, and keep no package twice"
              .formatted(Faults.reason(unfit)),
          unfit);
    }
  }

  /** The plugin's own module. */
  Module module() {
    return layer.findModule(folder.id()).orElseThrow();
  }

  /** The loader of all its classes. */
  ClassLoader loader() {
    return layer.findLoader(folder.id());
  }
}
