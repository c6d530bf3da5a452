package dev.domus.kernel.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.plugin.PluginInfo;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;

/** Plugins come and go while the process runs, and nothing of them stays. */
class ReloadTest extends HostTest {
  private static final Path OPEN_FILES = Path.of("/proc/self/fd");

  @Test
  void anUnloadedPluginLeavesNoClassLoaderAndNoOpenFile() throws Exception {
    Path jar = smith.scheduler("guest", "guest");
    PluginHost host = host();
    WeakReference<ClassLoader> loader = loaderOf(host, "test.guest");
    assertTrue(
        !Files.isDirectory(OPEN_FILES) || isOpen(jar), "the jar is not seen among the open files");

    assertEquals(1, host.unload("test.guest").size());

    assertEquals(List.of(), schedulers(host));
    assertSays(plugin(host, "test.guest").problem(), "was unloaded");
    assertEquals(List.of(), complaints);
    assertTrue(eventually(() -> loader.refersTo(null)), "the class loader is still there");
    assertTrue(
        !Files.isDirectory(OPEN_FILES) || eventually(() -> !isOpen(jar)), "the jar is still open");
  }

  @Test
  void fiftyReloadsLeaveOneClassLoader() throws Exception {
    Path jar = smith.scheduler("guest", "v0");
    Path next =
        smith
            .jar("../next.jar")
            .module(
                "test.guest",
                "requires dev.domus.kernel; provides "
                    + PluginSmith.SCHEDULER
                    + " with test.guest.It;")
            .source("test.guest.It", PluginSmith.schedulerSource("v1", ""))
            .make();
    List<byte[]> versions = List.of(Files.readAllBytes(jar), Files.readAllBytes(next));
    PluginHost host = host();
    List<WeakReference<ClassLoader>> loaders = new ArrayList<>();
    for (int i = 1; i <= 50; i++) {
      loaders.add(loaderOf(host, "test.guest"));
      // A new file under the old name, as a package manager does it: the old one may be open.
      Files.move(
          Files.write(temp.resolve("fresh.jar"), versions.get(i % 2)),
          jar,
          java.nio.file.StandardCopyOption.REPLACE_EXISTING);

      assertEquals(
          List.of(""), host.reload("test.guest").stream().map(PluginInfo::problem).toList());

      assertEquals(List.of("v" + i % 2), schedulers(host));
    }
    assertTrue(
        eventually(() -> loaders.stream().allMatch(loader -> loader.refersTo(null))),
        () ->
            loaders.stream().filter(loader -> !loader.refersTo(null)).count()
                + " of 50 class loaders are still there");
  }

  @Test
  void aReloadBringsBackThoseThatRequireIt() throws Exception {
    Path below = smith.jar("z/z.jar").module("test.z", "requires dev.domus.kernel;").make();
    Path middle =
        smith
            .jar("m/m.jar")
            .needs(below)
            .module("test.m", "requires dev.domus.kernel; requires test.z;")
            .make();
    smith
        .jar("a/a.jar")
        .needs(below)
        .needs(middle)
        .module(
            "test.a",
            "requires dev.domus.kernel; requires test.z; requires test.m; provides "
                + PluginSmith.SCHEDULER
                + " with test.a.It;")
        .source("test.a.It", PluginSmith.schedulerSource("a", ""))
        .make();
    PluginHost host = host();
    WeakReference<ClassLoader> loader = loaderOf(host, "test.a");

    assertEquals(3, host.reload("test.z").size());

    assertEquals(List.of("a"), schedulers(host));
    assertTrue(
        host.plugins().stream().allMatch(info -> info.problem().isEmpty()),
        host.plugins().toString());
    assertTrue(eventually(() -> loader.refersTo(null)), "the dependent was not made anew");
  }

  @Test
  void aBrokenPluginCanBeMendedWhileTheProcessRuns() throws Exception {
    Path jar = smith.scheduler("guest", "guest");
    byte[] sound = Files.readAllBytes(jar);
    Files.writeString(jar, "no jar");
    PluginHost host = host();
    assertSays(plugin(host, "guest").problem(), "guest.jar");

    Files.write(jar, sound);

    assertEquals("", host.load(directory.resolve("guest")).problem());
    assertEquals(List.of("guest"), schedulers(host));
  }

  @Test
  void aPluginIsToldOfItsStopAndMayFailInIt() throws Exception {
    smith.plugin(
        "sulky",
        "org.pf4j.Plugin",
        """
        public class It extends org.pf4j.Plugin {
          public void start() { System.setProperty("test.sulky", "started"); }
          public void stop() { System.setProperty("test.sulky", "stopped"); throw new IllegalStateException("no"); }
        }
        """);
    PluginHost host = host();
    assertEquals("", plugin(host, "test.sulky").problem());
    assertEquals("started", System.getProperty("test.sulky"));

    host.unload("test.sulky");

    assertEquals("stopped", System.clearProperty("test.sulky"));
  }

  private static WeakReference<ClassLoader> loaderOf(PluginHost host, String id) {
    assertEquals("", plugin(host, id).problem());
    return new WeakReference<>(host.loader(id).orElseThrow());
  }

  private static boolean isOpen(Path jar) {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(OPEN_FILES)) {
      for (Path file : files) {
        // Descriptors come and go, the stream's own for one: the link may be gone.
        if (Files.isSymbolicLink(file) && readLink(file).equals(jar.toString())) {
          return true;
        }
      }
      return false;
    } catch (IOException gone) {
      throw new java.io.UncheckedIOException(gone);
    }
  }

  private static String readLink(Path link) {
    try {
      return Files.readSymbolicLink(link).toString();
    } catch (IOException gone) {
      return "";
    }
  }

  private static boolean eventually(BooleanSupplier condition) throws InterruptedException {
    for (int i = 0; i < 100; i++) {
      if (condition.getAsBoolean()) {
        return true;
      }
      System.gc();
      Thread.sleep(20);
    }
    return false;
  }
}
