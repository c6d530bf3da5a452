package dev.domus.kernel.host;

import dev.domus.kernel.plugin.PluginInfo;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A plugin folder or jar that was found, and what became of it. Guarded by the lock of {@link
 * PluginHost}.
 */
final class Candidate {
  private final Path path;
  private PluginFolder folder;
  private String problem = "";
  private String fault = "";
  private String remark = "";
  private boolean takenOut;

  /**
   * Reads what stands at the path; if it is broken, that is its {@link #problem}.
   *
   * @param path a folder or a jar
   */
  Candidate(Path path) {
    this.path = path;
    try {
      folder = PluginFolder.read(path);
    } catch (BrokenPlugin broken) {
      problem = broken.getMessage();
    }
  }

  Path path() {
    return path;
  }

  /** Its modules, or empty if they could not be read. */
  Optional<PluginFolder> folder() {
    return Optional.ofNullable(folder);
  }

  /** Its module name, or its file name if the module could not be read. */
  String id() {
    return folder == null ? path.getFileName().toString() : folder.id();
  }

  /** Whether it is out of use as a whole. */
  boolean isBroken() {
    return !problem.isEmpty();
  }

  /** Why it is not in use, or empty. */
  String problem() {
    return problem;
  }

  /** Notes why it cannot be used; the first reason counts. */
  void fail(String reason) {
    if (problem.isEmpty()) {
      problem = reason;
    }
  }

  /** Notes that it was unloaded on request: it is not in use, and nothing is wrong with it. */
  void takeOut() {
    takenOut = true;
    problem = "it was unloaded; load it again to use it";
  }

  /** Notes that a part of it is not in use by its own fault, while the rest is. */
  void fault(String text) {
    fault = fault.isEmpty() ? text : fault + "; " + text;
  }

  /**
   * Notes something that is no fault of the plugin's, such as an engine that this host cannot run.
   */
  void remark(String text) {
    remark = text;
  }

  /** Forgets faults and remarks, before its parts are asked again. */
  void clearRemarks() {
    fault = "";
    remark = "";
  }

  /** What someone should mend, or empty. */
  String complaint() {
    if (takenOut) {
      return "";
    }
    return problem.isEmpty() ? fault : problem;
  }

  PluginInfo info() {
    String version = folder == null ? "" : folder.version();
    String text = problem.isEmpty() ? fault : problem;
    return new PluginInfo(
        id(), version, path.getFileName().toString(), text.isEmpty() ? remark : text);
  }
}
