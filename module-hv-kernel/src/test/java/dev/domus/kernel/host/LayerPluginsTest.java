package dev.domus.kernel.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.plugin.CommandLine;
import dev.domus.kernel.plugin.Host.NamedPart;
import dev.domus.kernel.plugin.PluginInfo;
import dev.domus.kernel.plugin.Subcommand;
import dev.domus.kernel.sched.SchedulerFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What a sound plugin gets, and what it does not get. */
class LayerPluginsTest extends HostTest {
  private LayerPluginManager manager() {
    LayerPluginManager manager =
        new LayerPluginManager(List.of(directory), ModuleLayer.boot(), nativeAccess);
    manager.loadPlugins();
    return manager;
  }

  /** The description of a scheduler is what the code under test wants to say. */
  private static String says(PluginHost host, String scheduler) {
    return host.schedulers().stream()
        .filter(part -> part.name().equals(scheduler))
        .map(NamedPart::description)
        .findFirst()
        .orElseThrow();
  }

  private static String speaker(String name, String statements) {
    return """
    import dev.domus.kernel.sched.*;
    public final class It implements SchedulerFactory {
      public String name() { return "%s"; }
      public String description() { try { %s } catch (Throwable e) { return e.toString(); } }
      public java.util.List<SchedParameter> parameters() { return java.util.List.of(); }
      public Scheduler create(SchedPool pool, SchedParameters values) { throw new AssertionError(); }
    }
    """
        .formatted(name, statements);
  }

  @Test
  void enginesAreListedWithTheDefaultFirst() throws IOException {
    smith.plugin(
        "a",
        PluginSmith.ENGINE,
        PluginSmith.engineSource("fast", "java.util.Optional.empty()", ""));
    smith.plugin(
        "b", PluginSmith.ENGINE, PluginSmith.engineSource("jvm", "java.util.Optional.empty()", ""));

    assertEquals(
        List.of(new NamedPart("jvm", "engine jvm"), new NamedPart("fast", "engine fast")),
        host().engines());
  }

  @Test
  void anEngineThatThisHostCannotRunIsLeftOutAndNobodyIsBlamed() throws IOException {
    smith.plugin(
        "kvm",
        PluginSmith.ENGINE,
        PluginSmith.engineSource("kvm", "java.util.Optional.of(\"no /dev/kvm\")", ""));
    PluginHost host = host();

    assertEquals(List.of(), host.engines());
    assertEquals(
        "engine kvm cannot run on this host: no /dev/kvm", plugin(host, "test.kvm").problem());
    assertEquals(List.of(), complaints);
  }

  @Test
  void ofTwoSchedulersWithOneNameTheFirstIsUsedAndTheSecondIsTold() throws IOException {
    smith.scheduler("a", "fair");
    smith.scheduler("b", "fair");
    PluginHost host = host();

    assertEquals(List.of("fair"), schedulers(host));
    assertEquals("", plugin(host, "test.a").problem());
    assertSays(
        plugin(host, "test.b").problem(), "scheduler fair", "test.a comes first", "remove one");
    assertEquals(List.of(plugin(host, "test.b")), complaints);
  }

  @Test
  void commandsAreFoundWithoutLoadingOtherPlugins() throws IOException {
    smith.plugin(
        "loud",
        PluginSmith.ENGINE,
        PluginSmith.engineSource(
            "loud",
            "java.util.Optional.empty()",
            "static { if (true) throw new AssertionError(\"loaded\"); }"));
    smith.plugin(
        "echo",
        "dev.domus.kernel.plugin.Subcommand",
        """
        import dev.domus.kernel.plugin.*;
        import java.io.PrintWriter;
        import java.util.List;
        public final class It implements Subcommand {
          public List<String> path() { return List.of("sched", "echo"); }
          public String description() { return "echo"; }
          public int run(List<String> args, Host host, PrintWriter out, PrintWriter err) { return 7; }
        }
        """);
    PluginHost host = host();

    assertEquals(
        List.of(List.of("sched", "echo")),
        host.subcommands().stream().map(Subcommand::path).toList());
    assertEquals(List.of(), complaints);
  }

  @Test
  void schedulerFactoriesAreThoseThatAreListed() throws IOException {
    smith.scheduler("a", "fair");
    smith.scheduler("b", "unfair");
    PluginHost host = host();

    assertEquals(
        schedulers(host), host.schedulerFactories().stream().map(SchedulerFactory::name).toList());
  }

  @Test
  void aPluginHasVersionAndLocation() throws IOException {
    smith
        .jar("folder/any.jar")
        .module("test.folder", "requires dev.domus.kernel;")
        .version("2.1")
        .make();
    smith.jar("loose.jar").module("test.loose", "requires dev.domus.kernel;").make();
    Files.createDirectory(directory.resolve(".hidden"));
    Files.writeString(directory.resolve("README"), "not a plugin");

    assertEquals(
        List.of(
            new PluginInfo("test.folder", "2.1", "folder", ""),
            new PluginInfo("test.loose", "1.0", "loose.jar", "")),
        host().plugins());
  }

  @Test
  void twoPluginsHoldTwoVersionsOfOneLibrary() throws IOException {
    for (String plugin : List.of("one", "two")) {
      Path library =
          smith
              .jar(plugin + "/lib.jar")
              .module("test.lib", "exports test.lib;")
              .source(
                  "test.lib.Version",
                  "public class Version { public static String get() { return \""
                      + plugin
                      + "\"; } }")
              .make();
      smith
          .jar(plugin + "/plugin.jar")
          .needs(library)
          .module(
              "test." + plugin,
              "requires dev.domus.kernel; requires test.lib; provides "
                  + PluginSmith.SCHEDULER
                  + " with test."
                  + plugin
                  + ".It;")
          .source("test." + plugin + ".It", speaker(plugin, "return test.lib.Version.get();"))
          .make();
    }
    PluginHost host = host();

    assertEquals("one", says(host, "one"));
    assertEquals("two", says(host, "two"));
  }

  @Test
  void aLibraryMayBeAnAutomaticModule() throws IOException {
    Path library =
        smith
            .jar("user/old-library-1.2.jar")
            .source(
                "old.Thing",
                "public class Thing { public static String name() { return \"old thing\"; } }")
            .make();
    smith
        .jar("user/user.jar")
        .needs(library)
        .module(
            "test.user",
            "requires dev.domus.kernel; requires old.library; provides "
                + PluginSmith.SCHEDULER
                + " with test.user.It;")
        .source("test.user.It", speaker("user", "return old.Thing.name();"))
        .make();

    assertEquals("old thing", says(host(), "user"));
  }

  @Test
  void aPluginSeesTheExportedPackagesOfOneThatItRequires() throws IOException {
    // By name the one that requires comes first.
    Path below =
        smith
            .jar("z/z.jar")
            .module("test.z", "requires dev.domus.kernel; exports test.z;")
            .source(
                "test.z.Shared",
                "public class Shared { public static String name() { return \"shared\"; } }")
            .make();
    smith
        .jar("a/a.jar")
        .needs(below)
        .module(
            "test.a",
            "requires dev.domus.kernel; requires test.z; provides "
                + PluginSmith.SCHEDULER
                + " with test.a.It;")
        .source("test.a.It", speaker("above", "return test.z.Shared.name();"))
        .make();

    assertEquals("shared", says(host(), "above"));
  }

  @Test
  void kernelInternalsCannotBeFoundByName() throws IOException {
    smith.plugin(
        "curious",
        PluginSmith.SCHEDULER,
        speaker(
            "curious", "return Class.forName(\"dev.domus.kernel.host.PluginHost\").getName();"));

    assertEquals(
        "java.lang.ClassNotFoundException: dev.domus.kernel.host.PluginHost",
        says(host(), "curious"));
  }

  @Test
  void nativeAccessIsGrantedToTheModulesThatAreNamed() throws IOException {
    for (String plugin : List.of("trusted", "other")) {
      smith.plugin(
          plugin,
          PluginSmith.SCHEDULER,
          speaker(plugin, "return \"\" + It.class.getModule().isNativeAccessEnabled();"));
    }
    nativeAccess = "test.trusted"::equals;
    PluginHost host = host();

    assertEquals("true", says(host, "trusted"));
    assertEquals("false", says(host, "other"));
  }

  @Test
  void onlyTheCommandLineIsLoadedUntilMoreIsAskedFor() throws IOException {
    smith.plugin("front", PluginSmith.COMMAND_LINE, PluginSmith.commandLineSource("return 0;"));
    smith.plugin(
        "mark",
        PluginSmith.SCHEDULER,
        PluginSmith.schedulerSource("mark", "{ System.setProperty(\"test.mark\", \"loaded\"); }"));
    Files.writeString(
        Files.createDirectory(directory.resolve("text")).resolve("text.jar"), "no jar");
    PluginHost host = host();

    assertEquals(1, host.commandLines().size());
    assertEquals(Optional.empty(), Optional.ofNullable(System.getProperty("test.mark")));
    assertEquals(List.of(), complaints);
    assertEquals(List.of("mark"), schedulers(host));
    assertEquals("loaded", System.clearProperty("test.mark"));
    assertEquals(List.of("text"), complaints.stream().map(PluginInfo::id).toList());
  }

  @Test
  void pf4jShowsTheSameExtensions() throws IOException {
    smith
        .jar("both/both.jar")
        .module(
            "test.both",
            "requires dev.domus.kernel; provides %s with test.both.It; provides %s with test.both.sub.It;"
                .formatted(PluginSmith.SCHEDULER, PluginSmith.ENGINE))
        .source("test.both.It", PluginSmith.schedulerSource("s", ""))
        .source("test.both.sub.It", PluginSmith.engineSource("e", "java.util.Optional.empty()", ""))
        .make();
    LayerPluginManager manager = manager();

    SchedulerFactory scheduler = manager.getExtensions(SchedulerFactory.class).getFirst();
    Engine engine = manager.getExtensions(Engine.class, "test.both").getFirst();
    assertSame(scheduler, manager.getExtensions(SchedulerFactory.class).getFirst());
    assertEquals(2, manager.getExtensions("test.both").size());
    assertEquals(List.of(), manager.getExtensions(CommandLine.class));
    assertSame(manager.getPlugin("test.both"), manager.whichPlugin(engine.getClass()));
    assertSame(manager.getPluginClassLoader("test.both"), scheduler.getClass().getClassLoader());
    assertNotSame(SchedulerFactory.class.getClassLoader(), scheduler.getClass().getClassLoader());
    assertTrue(manager.getExtensionClassNames("test.both").contains("test.both.sub.It"));
  }
}
