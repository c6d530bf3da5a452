package dev.domus.kernel.host;

import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.spi.ToolProvider;

/** Makes plugin jars of source texts, with the JDK's own javac and jar. */
public final class PluginSmith {
  /** Jars of equal sources, because the compiler takes its time. */
  private static final Map<String, byte[]> MADE = new ConcurrentHashMap<>();

  private final Path directory;
  private final Path work;
  private int made;

  /**
   * A smith.
   *
   * @param directory the plugin directory to fill
   * @param work where sources and classes may lie about
   */
  public PluginSmith(Path directory, Path work) {
    this.directory = directory;
    this.work = work;
  }

  /** Begins a jar, at a path below the plugin directory. */
  public Jar jar(String path) {
    return new Jar(directory.resolve(path));
  }

  /**
   * A plugin {@code name/name.jar}, module {@code test.name}, that provides one extension made of a
   * source text.
   */
  public Path plugin(String name, String service, String source) throws IOException {
    return jar(name + "/" + name + ".jar")
        .module(
            "test." + name,
            "requires dev.domus.kernel; provides " + service + " with test." + name + ".It;")
        .source("test." + name + ".It", source)
        .make();
  }

  /** A plugin as above that provides a scheduler. */
  public Path scheduler(String plugin, String name) throws IOException {
    return plugin(plugin, SCHEDULER, schedulerSource(name, ""));
  }

  public static final String POLICY = "dev.domus.kernel.access.AccessPolicyFactory";
  public static final String DEVICE = "dev.domus.kernel.device.DeviceModel";
  public static final String DMA_MODE = "dev.domus.kernel.device.DmaModeFactory";
  public static final String ENGINE = "dev.domus.kernel.engine.Engine";
  public static final String SCHEDULER = "dev.domus.kernel.sched.SchedulerFactory";
  public static final String SERVICE = "dev.domus.kernel.plugin.Service";
  public static final String COMMAND_LINE = "dev.domus.kernel.plugin.CommandLine";

  /**
   * An engine; {@code unusable} is the expression for the reason, and {@code more} further members.
   */
  public static String engineSource(String name, String unusable, String more) {
    return """
    import dev.domus.kernel.engine.*;
    public final class It implements Engine {
      public String name() { return "%s"; }
      public String description() { return "engine %s"; }
      public java.util.Optional<String> unusableBecause() { return %s; }
      public VcpuEngine attach(EngineMachine machine, EngineVcpu vcpu) { throw new AssertionError(); }
      %s
    }
    """
        .formatted(name, name, unusable, more);
  }

  /** A scheduler; {@code more} are further members. */
  public static String schedulerSource(String name, String more) {
    return """
    import dev.domus.kernel.sched.*;
    public final class It implements SchedulerFactory {
      public String name() { return "%s"; }
      public String description() { return "scheduler %s"; }
      public java.util.List<SchedParameter> parameters() { return java.util.List.of(); }
      public Scheduler create(SchedPool pool, SchedParameters values) { throw new AssertionError(); }
      %s
    }
    """
        .formatted(name, name, more);
  }

  /** A device model with one option, {@code file}, that has to be given. */
  public static String deviceSource(String name) {
    return """
    import dev.domus.kernel.device.*;
    public final class It implements DeviceModel {
      public String name() { return "%s"; }
      public String description() { return "device %s"; }
      public java.util.List<DeviceOption> options() {
        return java.util.List.of(
            new DeviceOption("file", "PATH", java.util.Optional.empty(), "contents"));
      }
      public Device create(java.util.Map<String, String> options) throws DeviceException {
        throw new DeviceException("none is made here");
      }
    }
    """
        .formatted(name, name);
  }

  /** A mode of protection for DMA that cannot be had. */
  public static String dmaModeSource(String name) {
    return """
    import dev.domus.kernel.device.*;
    public final class It implements DmaModeFactory {
      public String name() { return "%s"; }
      public String description() { return "DMA mode %s"; }
      public DmaMode create(DmaResources resources) { throw new AssertionError(); }
    }
    """
        .formatted(name, name);
  }

  /** An access policy that permits nothing. */
  public static String policySource(String name) {
    return """
    import dev.domus.kernel.access.*;
    public final class It implements AccessPolicyFactory {
      public String name() { return "%s"; }
      public String description() { return "policy %s"; }
      public AccessPolicy create(java.util.Optional<String> argument, AccessPolicy builtIn) {
        return (operation, caller, target, detail) -> false;
      }
    }
    """
        .formatted(name, name);
  }

  /** A service. */
  public static String serviceSource(String name, int order) {
    return """
    public final class It implements dev.domus.kernel.plugin.Service {
      public String name() { return "%s"; }
      public int order() { return %d; }
      public void start(dev.domus.kernel.service.ServiceDomain domain) {}
      public void stop() {}
    }
    """
        .formatted(name, order);
  }

  /** A command line with a body for {@code int run(String[] args, Host host)}. */
  public static String commandLineSource(String body) {
    return """
    import dev.domus.kernel.plugin.*;
    public final class It implements CommandLine {
      public int run(String[] args, Host host) { %s }
    }
    """
        .formatted(body);
  }

  /** A jar in the making. */
  public final class Jar {
    private final Path file;
    private final Path sources = work.resolve("source" + made);
    private final Path classes = work.resolve("classes" + made++);
    private final List<Path> path = new ArrayList<>();
    private final List<String> files = new ArrayList<>();
    private final StringBuilder recipe = new StringBuilder();
    private String version = "1.0";

    Jar(Path file) {
      this.file = file;
    }

    Jar version(String version) {
      this.version = version;
      return this;
    }

    Jar module(String name, String body) throws IOException {
      return text("module-info.java", "module " + name + " { " + body + " }");
    }

    /** A class, by its full name; the text needs no package line. */
    Jar source(String name, String text) throws IOException {
      String pack = name.substring(0, name.lastIndexOf('.'));
      return text(name.replace('.', '/') + ".java", "package " + pack + "; " + text);
    }

    /** A module that is needed to compile, taken before one of its name that is there anyway. */
    Jar needs(Path jar) {
      path.add(jar);
      return this;
    }

    private Jar text(String name, String text) throws IOException {
      Path source = sources.resolve(name);
      Files.createDirectories(source.getParent());
      files.add(Files.writeString(source, text).toString());
      recipe.append(name).append(':').append(text);
      return this;
    }

    /** Compiles and packs. */
    Path make() throws IOException {
      Files.createDirectories(file.getParent());
      byte[] made = MADE.get(recipe + version);
      if (made != null) {
        return Files.write(file, made);
      }
      compileAndPack();
      MADE.put(recipe + version, Files.readAllBytes(file));
      return file;
    }

    private void compileAndPack() throws IOException {
      StringBuilder modules = new StringBuilder();
      for (Path jar : path) {
        modules.append(jar).append(File.pathSeparator);
      }
      modules.append(System.getProperty("jdk.module.path"));
      List<String> javac =
          new ArrayList<>(
              List.of(
                  "--module-path",
                  modules.toString(),
                  "-proc:none",
                  "-nowarn",
                  "-d",
                  classes.toString()));
      javac.addAll(files);
      run("javac", javac);
      List<String> jar = new ArrayList<>(List.of("--create", "--file", file.toString()));
      if (Files.exists(classes.resolve("module-info.class"))) {
        jar.addAll(List.of("--module-version", version));
      }
      jar.addAll(List.of("-C", classes.toString(), "."));
      run("jar", jar);
    }

    private void run(String tool, List<String> args) {
      StringWriter said = new StringWriter();
      PrintWriter out = new PrintWriter(said);
      int status =
          ToolProvider.findFirst(tool).orElseThrow().run(out, out, args.toArray(String[]::new));
      if (status != 0) {
        throw new IllegalStateException(tool + " " + args + ": " + said);
      }
    }
  }
}
