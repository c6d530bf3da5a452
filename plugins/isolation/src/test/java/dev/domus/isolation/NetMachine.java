package dev.domus.isolation;

import dev.domus.console.ConsolePlugin;
import dev.domus.engine.jvm.JvmEngine;
import dev.domus.kernel.KernelMachine;
import dev.domus.kernel.plugin.DriverDomainSpec;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreService;
import dev.domus.net.NetPlugin;
import dev.domus.sched.rr.RoundRobinFactory;
import dev.domus.toolstack.image.KernelImage;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.life.GuestConfig;
import dev.domus.toolstack.life.PvDevice;
import dev.domus.xenstore.XenstoreService;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** A machine with the network backend, and guests that run the kernel {@code net}. */
final class NetMachine implements AutoCloseable {
  private static final String POOL = "pool0";
  private static final long PATIENCE_MILLIS = 60_000;

  private final JvmEngine engine = new JvmEngine();
  final NetPlugin plugin = new NetPlugin();
  private final List<Guest> guests = new ArrayList<>();
  private final Machine machine;

  NetMachine(String... servicesOfDriverDomain) throws Exception {
    RoundRobinFactory scheduler = new RoundRobinFactory();
    machine =
        KernelMachine.start(
            new MachineSpec(
                160L << 20,
                false,
                2,
                1,
                POOL,
                scheduler.name(),
                Map.of(),
                Optional.empty(),
                servicesOfDriverDomain.length == 0
                    ? List.of()
                    : List.of(new DriverDomainSpec("drivers", List.of(servicesOfDriverDomain)))),
            Map.of(engine.name(), engine),
            Map.of(scheduler.name(), scheduler),
            Map.of(),
            Map.of(),
            Map.of(),
            List.of(new XenstoreService(), new ConsolePlugin(), plugin));
  }

  Machine machine() {
    return machine;
  }

  /** A guest, and what it has printed. */
  static final class Host implements ConsoleService.Output {
    private final StringBuilder said = new StringBuilder();
    private Guest guest;

    Guest guest() {
      return guest;
    }

    @Override
    public synchronized void write(byte[] bytes, int offset, int length) {
      said.append(new String(bytes, offset, length, StandardCharsets.ISO_8859_1));
      notifyAll();
    }

    /** Waits until it has printed a text. */
    synchronized String await(String text) throws InterruptedException {
      long end = System.nanoTime() + PATIENCE_MILLIS * 1_000_000;
      while (said.indexOf(text) < 0) {
        long left = (end - System.nanoTime()) / 1_000_000;
        if (left <= 0 || said.indexOf("FAIL") >= 0 || said.indexOf("panic") >= 0) {
          throw new AssertionError("\"" + text + "\" was not said, but:\n" + said);
        }
        wait(left);
      }
      return said.toString();
    }

    synchronized String said() {
      return said.toString();
    }
  }

  /** Starts a guest with an interface; the nodes are those of the backend's half. */
  Host start(String commandLine, int number, Map<String, String> nodes) throws Exception {
    Path image = Path.of(System.getProperty("domus.root"), "guest-kernels/images/net.elf");
    Host host = new Host();
    try (KernelImage read = KernelImage.read(image)) {
      host.guest =
          Guest.create(
              machine,
              new GuestConfig(
                  "net" + number,
                  UUID.randomUUID(),
                  read,
                  Optional.empty(),
                  commandLine,
                  (16 << 20) >> 12,
                  1,
                  engine.name(),
                  POOL,
                  256,
                  0,
                  false));
    }
    guests.add(host.guest);
    String mac = "00:16:3e:00:00:%02x".formatted(number);
    Map<String, String> backend = new LinkedHashMap<>(nodes);
    backend.put("mac", mac);
    backend.put("handle", "0");
    host.guest.attach(new PvDevice("vif", "net", 0, backend, Map.of("mac", mac, "handle", "0")));
    host.guest.attach(host);
    host.guest.unpause();
    return host;
  }

  /** Writes a node of an interface's backend half, as a toolstack does. */
  void write(Host host, String node, String value) {
    int backend = machine.domainOf("net").orElseThrow().domid();
    try (StoreConnection store =
        machine.domain0().services().find(StoreService.class).orElseThrow().connect(0)) {
      store.write(
          StoreConnection.NO_TRANSACTION,
          "/local/domain/%d/backend/vif/%d/0/%s".formatted(backend, host.guest.domid(), node),
          value);
    }
  }

  @Override
  public void close() {
    guests.forEach(Guest::close);
    machine.close();
  }
}
