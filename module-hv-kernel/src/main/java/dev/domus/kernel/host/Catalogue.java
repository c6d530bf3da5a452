package dev.domus.kernel.host;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.pf4j.PluginRepository;

/**
 * What the plugin directories hold: their subfolders and jars, read but not loaded, in the order of
 * the directories and of names within each. The order counts: of two plugins with one name the
 * first is used. PF4J knows it as its repository.
 */
final class Catalogue implements PluginRepository {
  private final List<Path> roots;
  private final ModuleLayer kernel;
  private final List<Candidate> candidates = new ArrayList<>();

  /**
   * An empty catalogue.
   *
   * @param kernel the layer whose module names are taken
   */
  Catalogue(List<Path> roots, ModuleLayer kernel) {
    this.roots = List.copyOf(roots);
    this.kernel = kernel;
  }

  /** Reads all directories anew. A directory that is not there holds nothing. */
  void scan() {
    candidates.clear();
    for (Path path : getPluginPaths()) {
      add(path);
    }
  }

  /** Reads one plugin, anew if it was read before. */
  Candidate add(Path path) {
    Candidate candidate = new Candidate(path);
    int known = indexOf(path);
    if (known >= 0) {
      candidates.remove(known);
    }
    candidate.folder().ifPresent(folder -> checkNames(folder, candidate));
    candidates.add(known >= 0 ? known : candidates.size(), candidate);
    return candidate;
  }

  /** All that was found, in order. */
  List<Candidate> all() {
    return Collections.unmodifiableList(candidates);
  }

  /** The plugin of a name: the first that is sound, or else the first. */
  Optional<Candidate> find(String id) {
    Candidate first = null;
    for (Candidate candidate : candidates) {
      if (candidate.folder().isPresent() && candidate.id().equals(id)) {
        if (!candidate.isBroken()) {
          return Optional.of(candidate);
        }
        first = first == null ? candidate : first;
      }
    }
    return Optional.ofNullable(first);
  }

  /** The plugin at a path. */
  Optional<Candidate> find(Path path) {
    int index = indexOf(path);
    return index < 0 ? Optional.empty() : Optional.of(candidates.get(index));
  }

  @Override
  public List<Path> getPluginPaths() {
    List<Path> paths = new ArrayList<>();
    for (Path root : roots) {
      List<Path> here = new ArrayList<>();
      try (DirectoryStream<Path> entries = Files.newDirectoryStream(root, Catalogue::mayBePlugin)) {
        entries.forEach(here::add);
      } catch (IOException unreadable) {
        // Whether there are plugins enough is for the caller to say, who knows what is missing.
        continue;
      }
      Collections.sort(here);
      paths.addAll(here);
    }
    return paths;
  }

  /** Never deletes: the files are the user's. */
  @Override
  public boolean deletePluginPath(Path pluginPath) {
    return false;
  }

  private static boolean mayBePlugin(Path path) {
    String name = path.getFileName().toString();
    return !name.startsWith(".") && (name.endsWith(".jar") || Files.isDirectory(path));
  }

  private void checkNames(PluginFolder folder, Candidate candidate) {
    Optional<Candidate> first = find(folder.id());
    if (first.isPresent() && !first.get().isBroken()) {
      candidate.fail(
          "module %s is already there, from %s, which comes first; remove one"
              .formatted(folder.id(), first.get().path().getFileName()));
    }
    if (kernel.findModule(folder.id()).isPresent()) {
      candidate.fail(
          "module %s is one of those that the kernel runs on; give the plugin another name"
              .formatted(folder.id()));
    }
    if (folder.modules().containsKey(PluginFolder.KERNEL)) {
      candidate.fail(
          "it brings a copy of module %s, whose types nobody else knows; remove that jar (Maven: scope provided)"
              .formatted(PluginFolder.KERNEL));
    }
  }

  private int indexOf(Path path) {
    for (int i = 0; i < candidates.size(); i++) {
      if (candidates.get(i).path().equals(path)) {
        return i;
      }
    }
    return -1;
  }
}
