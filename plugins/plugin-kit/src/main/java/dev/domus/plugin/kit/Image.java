package dev.domus.plugin.kit;

import dev.domus.kernel.plugin.UsageException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The run image that this plugin is part of, as far as others build against it.
 *
 * @param repository our jars in the layout of a Maven repository
 * @param version the version of all of them
 */
record Image(Path repository, String version) {

  /** {@code IMAGE/plugins/plugin-kit/plugin-kit.jar} is where this class comes from. */
  static Image ofThisPlugin() throws UsageException {
    Module module = Image.class.getModule();
    String version = module.getDescriptor().rawVersion().orElse("");
    URI jar =
        module
            .getLayer()
            .configuration()
            .findModule(module.getName())
            .orElseThrow()
            .reference()
            .location()
            .orElseThrow();
    Path repository = Path.of(jar).resolve("../../../repository").toAbsolutePath().normalize();
    if (!Files.isDirectory(repository)) {
      throw new UsageException(
          repository
              + ": is not there, and plugins are built against the jars in it; \"domus build\" in the source tree makes it");
    }
    return new Image(repository, version);
  }
}
