package dev.domus.kernel.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.plugin.PluginInfo;
import java.io.IOException;
import java.lang.module.ModuleFinder;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Each broken plugin is named and skipped, and the sound one beside it runs. */
class BrokenPluginsTest extends HostTest {
  @BeforeEach
  void putASoundPluginBesideThem() throws IOException {
    smith.scheduler("sound", "sound");
  }

  /** The one problem that there is. That of the sound plugin would be a second one. */
  private String problem(String id) {
    PluginHost host = host();
    PluginInfo info = plugin(host, id);
    assertEquals(List.of("sound"), schedulers(host));
    assertEquals("", plugin(host, "test.sound").problem());
    assertEquals(List.of(info), complaints);
    return info.problem();
  }

  @Test
  void aFileThatIsNoZip() throws IOException {
    Files.writeString(
        Files.createDirectory(directory.resolve("text")).resolve("text.jar"), "no jar");

    assertSays(problem("text"), "text.jar", "zip", "build it again");
  }

  @Test
  void aJarThatWasCutOff() throws IOException {
    Path jar = smith.scheduler("cut", "cut");
    byte[] bytes = Files.readAllBytes(jar);
    Files.write(jar, Arrays.copyOf(bytes, bytes.length / 2));

    assertSays(problem("cut"), "cut.jar", "zip", "build it again");
  }

  @Test
  void aJarWhoseDescriptorIsGarbled() throws IOException {
    Path jar = smith.scheduler("garbled", "garbled");
    try (var zip = FileSystems.newFileSystem(jar)) {
      Files.write(zip.getPath("module-info.class"), new byte[] {1, 2, 3, 4});
    }

    assertSays(problem("garbled"), "garbled.jar", "magic", "build it again");
  }

  @Test
  void anEmptyFolder() throws IOException {
    Files.createDirectory(directory.resolve("empty"));

    assertSays(problem("empty"), "no jar", "remove it");
  }

  @Test
  void aJarWithoutDescriptor() throws IOException {
    smith.jar("old/old.jar").source("old.Thing", "public class Thing {}").make();

    assertSays(problem("old"), "old.jar", "dev.domus.kernel", "module-info.class");
  }

  @Test
  void aModuleThatIsMissing() throws IOException {
    Path library = smith.jar("../library.jar").module("test.library", "").make();
    smith
        .jar("lonely/lonely.jar")
        .needs(library)
        .module("test.lonely", "requires dev.domus.kernel; requires test.library;")
        .make();

    assertSays(problem("test.lonely"), "test.library", "put its jar into lonely");
  }

  @Test
  void aModuleOfTheJdkThatThisJvmWasStartedWithout() throws IOException {
    String absent =
        ModuleFinder.ofSystem().findAll().stream()
            .map(module -> module.descriptor().name())
            .filter(name -> ModuleLayer.boot().findModule(name).isEmpty())
            .sorted()
            .findFirst()
            .orElse("");
    Assumptions.assumeFalse(absent.isEmpty(), "this JVM has all modules");
    smith
        .jar("wants/wants.jar")
        .module("test.wants", "requires dev.domus.kernel; requires " + absent + ";")
        .make();

    assertSays(problem("test.wants"), absent, "--add-modules=" + absent);
  }

  @Test
  void aFolderWithTwoPlugins() throws IOException {
    for (String name : List.of("a", "b")) {
      smith.jar("two/" + name + ".jar").module("test." + name, "requires dev.domus.kernel;").make();
    }

    assertSays(problem("two"), "a.jar", "b.jar", "a folder of its own");
  }

  @Test
  void aFolderWithTwoJarsOfOneModule() throws IOException {
    smith.scheduler("twice", "twice");
    smith.jar("twice/a.jar").module("test.lib", "").make();
    smith.jar("twice/b.jar").module("test.lib", "").version("2").make();

    assertSays(problem("twice"), "a.jar", "b.jar", "test.lib", "remove one");
  }

  @Test
  void aPackageInTwoJarsOfAFolder() throws IOException {
    for (String name : List.of("a", "b")) {
      smith
          .jar("split/" + name + ".jar")
          .module("test." + name, name.equals("a") ? "requires dev.domus.kernel;" : "")
          .source("common.Thing" + name, "class Thing" + name + " {}")
          .make();
    }

    assertSays(problem("split"), "a.jar", "b.jar", "common", "split package");
  }

  @Test
  void aPackageThatTheKernelHasToo() throws IOException {
    smith
        .jar("usurper/usurper.jar")
        .needs(smith.jar("../small-kernel.jar").module("dev.domus.kernel", "").make())
        .module("test.usurper", "requires dev.domus.kernel;")
        .source("dev.domus.kernel.plugin.Host", "public class Host {}")
        .make();

    assertSays(problem("test.usurper"), "dev.domus.kernel.plugin", "do not fit together");
  }

  @Test
  void aCopyOfTheKernel() throws IOException {
    smith.scheduler("fat", "fat");
    smith.jar("fat/domus-kernel.jar").module("dev.domus.kernel", "").make();

    assertSays(problem("test.fat"), "a copy of module dev.domus.kernel", "scope provided");
  }

  @Test
  void aSecondPluginOfOneName() throws IOException {
    Path jar = smith.scheduler("first", "first");
    Files.createDirectory(directory.resolve("second"));
    Files.copy(jar, directory.resolve("second/second.jar"));
    PluginHost host = host();

    assertEquals(List.of("first", "sound"), schedulers(host));
    List<PluginInfo> both =
        host.plugins().stream().filter(info -> info.id().equals("test.first")).toList();
    assertEquals(List.of("first", "second"), both.stream().map(PluginInfo::location).toList());
    assertEquals("", both.get(0).problem());
    assertSays(both.get(1).problem(), "test.first", "from first", "remove one");
  }

  @Test
  void aConstructorThatThrows() throws IOException {
    smith.plugin(
        "thrower",
        PluginSmith.SCHEDULER,
        PluginSmith.schedulerSource(
            "thrower", "public It() { throw new IllegalStateException(\"no\\nluck\"); }"));

    assertSays(
        problem("test.thrower"),
        "test.thrower.It",
        "SchedulerFactory",
        "IllegalStateException: no luck");
  }

  @Test
  void aConstructorThatRecursesForEver() throws IOException {
    smith.plugin(
        "deep",
        PluginSmith.SCHEDULER,
        PluginSmith.schedulerSource("deep", "public It() { new It(); }"));

    assertSays(problem("test.deep"), "test.deep.It", "StackOverflowError");
  }

  @Test
  void aStaticInitializerThatThrows() throws IOException {
    smith.plugin(
        "lazy",
        PluginSmith.SCHEDULER,
        PluginSmith.schedulerSource("lazy", "static final int X = Integer.parseInt(\"x\");"));

    assertSays(problem("test.lazy"), "test.lazy.It", "NumberFormatException");
  }

  @Test
  void aStartThatThrows() throws IOException {
    smith.plugin(
        "starter",
        "org.pf4j.Plugin",
        "public class It extends org.pf4j.Plugin { public void start() { throw new AssertionError(\"flat battery\"); } }");

    assertSays(problem("test.starter"), "fails to start", "AssertionError: flat battery");
  }

  @Test
  void aClassThatIsGone() throws IOException {
    Path jar =
        smith.plugin(
            "holed",
            PluginSmith.SCHEDULER,
            PluginSmith.schedulerSource(
                "holed", "final Object part = new Part(); static class Part {}"));
    try (var zip = FileSystems.newFileSystem(jar)) {
      Files.delete(zip.getPath("test/holed/It$Part.class"));
    }

    assertSays(problem("test.holed"), "test.holed.It", "test.holed.It$Part");
  }

  @Test
  void aProviderThatIsGone() throws IOException {
    Path jar = smith.scheduler("hollow", "hollow");
    try (var zip = FileSystems.newFileSystem(jar)) {
      Files.move(zip.getPath("test/hollow/It.class"), zip.getPath("test/hollow/Other.class"));
    }

    assertSays(problem("test.hollow"), "test.hollow.It", "not found");
  }

  @ParameterizedTest
  @ValueSource(strings = {"dev.domus.kernel.plugin", "dev.domus.kernel.future"})
  void anExtensionPointThatThisKernelDoesNotHave(String pack) throws IOException {
    Path future =
        smith
            .jar("../future-kernel.jar")
            .module("dev.domus.kernel", "exports " + pack + ";")
            .source(pack + ".Point", "public interface Point {}")
            .make();
    smith
        .jar("early/early.jar")
        .needs(future)
        .module(
            "test.early",
            "requires dev.domus.kernel; provides " + pack + ".Point with test.early.It;")
        .source("test.early.It", "public class It implements " + pack + ".Point {}")
        .make();

    assertSays(problem("test.early"), pack, "Point", "this version of Domus");
  }

  @Test
  void pluginsThatRequireEachOther() throws IOException {
    Map<String, String> circle = Map.of("a", "b", "b", "c", "c", "a");
    // Each is compiled against a stand-in of the next.
    for (String name : circle.keySet()) {
      Path next =
          smith.jar("../stand-in-" + name + ".jar").module("test." + circle.get(name), "").make();
      smith
          .jar(name + "/" + name + ".jar")
          .needs(next)
          .module(
              "test." + name, "requires dev.domus.kernel; requires test." + circle.get(name) + ";")
          .make();
    }
    PluginHost host = host();

    assertEquals(List.of("sound"), schedulers(host));
    for (String name : circle.keySet()) {
      assertSays(
          plugin(host, "test." + name).problem(),
          "test.a → test.b → test.c → test.a",
          "remove one");
    }
  }

  @Test
  void aPluginThatRequiresABrokenOne() throws IOException {
    Path broken =
        smith.plugin(
            "broken",
            PluginSmith.SCHEDULER,
            PluginSmith.schedulerSource("broken", "public It() { throw new RuntimeException(); }"));
    smith
        .jar("above/above.jar")
        .needs(broken)
        .module("test.above", "requires dev.domus.kernel; requires test.broken;")
        .make();
    PluginHost host = host();

    assertEquals(List.of("sound"), schedulers(host));
    assertSays(plugin(host, "test.broken").problem(), "RuntimeException");
    assertSays(plugin(host, "test.above").problem(), "test.broken", "mend that one first");
  }

  @Test
  void anEngineThatThrowsWhenItIsAskedWhetherItCanRun() throws IOException {
    smith.plugin("rude", PluginSmith.ENGINE, PluginSmith.engineSource("rude", "null", ""));

    assertSays(problem("test.rude"), "test.rude.It", "NullPointerException");
  }
}
