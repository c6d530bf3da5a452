package dev.domus.kernel.host;

/**
 * Which plugins may call native code through the FFM API. Asked once a plugin, before any of its
 * code runs. What is granted holds for the plugin's module only, not for its private libraries: a
 * library that needs native access is one to look at.
 */
@FunctionalInterface
public interface NativeAccess {
  /** No plugin may. */
  NativeAccess NONE = pluginId -> false;

  /**
   * Whether a plugin may call restricted methods.
   *
   * @param pluginId its module name
   */
  boolean isGrantedTo(String pluginId);
}
