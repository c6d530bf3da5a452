package dev.domus.kernel.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.PluginInfo;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/**
 * What tests of the plugin host share: a plugin directory, a smith, and an ear on the console,
 * which must stay silent.
 */
abstract class HostTest {
  @TempDir Path temp;
  Path directory;
  PluginSmith smith;
  NativeAccess nativeAccess = NativeAccess.NONE;
  MachineStarter starter =
      (spec, engines, schedulers, policies, models, modes, services) -> {
        throw new MachineException("no machine here");
      };
  final List<PluginInfo> complaints = new ArrayList<>();
  private final PrintStream console = System.err;
  private final ByteArrayOutputStream said = new ByteArrayOutputStream();

  @BeforeEach
  void setUp() throws Exception {
    directory = Files.createDirectories(temp.resolve("plugins"));
    smith = new PluginSmith(directory, temp.resolve("work"));
    System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
  }

  /**
   * PF4J logs errors with their stack traces; no way through the host may come past such a line.
   */
  @AfterEach
  void nothingWasSaidOnTheConsole() {
    System.setErr(console);
    assertEquals("", said.toString(StandardCharsets.UTF_8));
  }

  PluginHost host() {
    return new PluginHost(List.of(directory), nativeAccess, List::of, starter, complaints::add);
  }

  static PluginInfo plugin(PluginHost host, String id) {
    List<PluginInfo> found = host.plugins().stream().filter(info -> info.id().equals(id)).toList();
    assertEquals(1, found.size(), host.plugins().toString());
    return found.getFirst();
  }

  static List<String> schedulers(PluginHost host) {
    return host.schedulers().stream().map(part -> part.name()).toList();
  }

  /** A problem is one line, not too long, and says each of these. */
  static void assertSays(String problem, String... parts) {
    assertFalse(problem.isEmpty(), "no problem was found");
    assertFalse(problem.contains("\n"), problem);
    assertTrue(problem.length() < 500, problem);
    for (String part : parts) {
      assertTrue(problem.contains(part), problem);
    }
  }

  /** A machine that does nothing. */
  static final class IdleMachine implements Machine {
    @Override
    public dev.domus.kernel.service.ServiceDomain domain0() {
      throw new UnsupportedOperationException();
    }

    @Override
    public dev.domus.kernel.trace.Trace trace() {
      throw new UnsupportedOperationException();
    }

    @Override
    public List<dev.domus.kernel.service.ServiceDomain> driverDomains() {
      return List.of();
    }

    @Override
    public Optional<dev.domus.kernel.service.ServiceDomain> domainOf(String service) {
      return Optional.empty();
    }

    @Override
    public void close() {}
  }
}
