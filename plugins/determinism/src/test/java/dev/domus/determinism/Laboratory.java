package dev.domus.determinism;

import dev.domus.console.ConsolePlugin;
import dev.domus.engine.jvm.JvmEngine;
import dev.domus.kernel.KernelMachine;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.plugin.DeterministicMode;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.plugin.VirtualTime;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.sched.credit.CreditFactory;
import dev.domus.sched.eevdf.EevdfFactory;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.KernelImage;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.life.GuestConfig;
import dev.domus.xenstore.XenstoreService;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** A deterministic machine in the test's own process, with all that guests need. */
final class Laboratory implements AutoCloseable {
  private static final long MACHINE_BYTES = 128L << 20;
  private static final long GUEST_PAGES = (12L << 20) >> 12;
  private static final String POOL = "Pool-0";

  private final Machine machine;
  private final VirtualTime time;
  private final List<Guest> guests = new ArrayList<>();
  private final List<ConsoleService.Attachment> consoles = new ArrayList<>();
  private final List<StringBuilder> said = new ArrayList<>();

  Laboratory(String scheduler, long seed) throws MachineException {
    JvmEngine engine = new JvmEngine();
    Map<String, SchedulerFactory> schedulers = new LinkedHashMap<>();
    for (SchedulerFactory factory : List.of(new CreditFactory(), new EevdfFactory())) {
      schedulers.put(factory.name(), factory);
    }
    machine =
        KernelMachine.start(
            new MachineSpec(
                MACHINE_BYTES,
                false,
                1,
                POOL,
                scheduler,
                Map.of(),
                Optional.of(new DeterministicMode(seed, DeterministicMode.USUAL_WALL_CLOCK)),
                List.of()),
            Map.of(engine.name(), engine),
            schedulers,
            Map.of(),
            Map.of(),
            Map.of(),
            List.of(new XenstoreService(), new ConsolePlugin()));
    time = machine.virtualTime().orElseThrow();
  }

  /** Adds a guest, which does not run yet. */
  Guest add(String kernel, String commandLine, int vcpus) throws BadInputException {
    Path image = Path.of(System.getProperty("domus.root"), "guest-kernels/images", kernel + ".elf");
    try (KernelImage read = KernelImage.read(image)) {
      Guest guest =
          Guest.create(
              machine,
              new GuestConfig(
                  kernel + guests.size(),
                  new UUID(0, guests.size()),
                  read,
                  Optional.empty(),
                  commandLine,
                  GUEST_PAGES,
                  vcpus,
                  "jvm",
                  POOL,
                  256,
                  0,
                  false));
      StringBuilder text = new StringBuilder();
      guests.add(guest);
      said.add(text);
      consoles.add(
          guest.attach((bytes, offset, length) ->
              text.append(new String(bytes, offset, length, StandardCharsets.ISO_8859_1))));
      return guest;
    }
  }

  void start() {
    guests.forEach(Guest::unpause);
  }

  VirtualTime time() {
    return time;
  }

  Guest guest(int index) {
    return guests.get(index);
  }

  /** What a guest has printed. */
  String said(int index) {
    return said.get(index).toString();
  }

  /** Types at a guest's console. */
  void type(int index, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    if (consoles.get(index).offer(bytes, 0, bytes.length) != bytes.length) {
      throw new AssertionError("the guest's ring has no room for: " + text);
    }
    time.settle();
  }

  boolean allEnded() {
    return guests.stream().allMatch(guest -> guest.info().state() == DomainInfo.State.SHUTDOWN);
  }

  /** The state of all guests: one line each, with the time. */
  String state() {
    StringBuilder line = new StringBuilder(Long.toString(time.nanos()));
    guests.forEach(guest -> line.append(' ').append(time.stateHash(guest.domid())));
    return line.toString();
  }

  /** Lets them run until all have ended, or to a time; notes the state every so often. */
  List<String> run(long untilNanos, long stepNanos) {
    List<String> states = new ArrayList<>();
    states.add(state());
    while (!allEnded() && time.nanos() < untilNanos) {
      time.runUntil(Math.min(untilNanos, (time.nanos() / stepNanos + 1) * stepNanos));
      states.add(state());
    }
    return states;
  }

  void swapScheduler(String scheduler) {
    guests.getFirst().control().swapScheduler(POOL, scheduler, Map.of());
  }

  @Override
  public void close() {
    try (machine) {
      consoles.forEach(ConsoleService.Attachment::close);
      guests.forEach(Guest::close);
    }
  }
}
