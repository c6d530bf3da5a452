package dev.domus.toolstack.demo;

import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.KernelImage;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.life.GuestConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The two guests of a demo, with their consoles on the stage. Both are to print something and to
 * power off.
 */
final class GuestPair implements AutoCloseable {
  /** CPU time in which a guest whose time is up has long looked at its clock. */
  private static final long ENOUGH_TO_END_NANOS = 1_000_000_000;

  private static final long LONGEST_WAIT_MILLIS = 30_000;

  private final Stage stage;
  private final Verdict verdict;
  private final List<Guest> guests = new ArrayList<>();
  private final List<ConsoleService.Attachment> consoles = new ArrayList<>();
  private final List<AtomicInteger> linesHeard = List.of(new AtomicInteger(), new AtomicInteger());

  /**
   * What one guest is to be.
   *
   * @param name its name
   * @param commandLine its kernel's command line
   * @param weight its scheduling weight
   * @param vcpus how many vCPUs it has
   */
  record Role(String name, String commandLine, int weight, int vcpus) {}

  /**
   * Where guests are run.
   *
   * @param machine the machine
   * @param image their kernel
   * @param engine the engine that runs them
   * @param pool the cpupool that they go to
   */
  record Place(Machine machine, KernelImage image, String engine, String pool) {}

  /** Creates both, paused. */
  GuestPair(Stage stage, Verdict verdict, Place place, List<Role> roles) throws BadInputException {
    this.stage = stage;
    this.verdict = verdict;
    try {
      for (Role role : roles) {
        add(place, role);
      }
    } catch (BadInputException | RuntimeException e) {
      close();
      throw e;
    }
  }

  private void add(Place place, Role role) throws BadInputException {
    int index = guests.size();
    Guest guest =
        Guest.create(
            place.machine,
            new GuestConfig(
                role.name,
                UUID.randomUUID(),
                place.image,
                Optional.empty(),
                role.commandLine,
                Demo.GUEST_PAGES,
                role.vcpus,
                place.engine,
                place.pool,
                role.weight,
                0,
                false));
    guests.add(guest);
    consoles.add(guest.attach(new LineConsole(line -> heard(index, line))));
  }

  private void heard(int index, String line) {
    linesHeard.get(index).incrementAndGet();
    stage.guestLine(index, guests.get(index).name(), line);
  }

  /** Both guests. */
  List<Guest> guests() {
    return guests;
  }

  /** Lets both run. */
  void start() {
    guests.forEach(Guest::unpause);
  }

  /**
   * Waits until both have ended, and judges how.
   *
   * @param millis how long to wait; on a host that lets them have little CPU time, until they have
   *     had enough of it to end, within reason
   */
  void awaitEnd(long millis) throws InterruptedException {
    long start = System.nanoTime();
    long cpuBefore = cpuNanos();
    for (int i = 0; i < guests.size(); i++) {
      Guest guest = guests.get(i);
      while (guest.info().state() != DomainInfo.State.SHUTDOWN) {
        long waited = (System.nanoTime() - start) / 1_000_000;
        boolean couldRun = cpuNanos() - cpuBefore > ENOUGH_TO_END_NANOS;
        if (waited > millis && (couldRun || waited > LONGEST_WAIT_MILLIS)) {
          break;
        }
        Thread.sleep(10);
      }
      consoles.get(i).drain();
      judge(guest);
      if (linesHeard.get(i).get() == 0) {
        verdict.fail(guest.name() + " printed nothing");
      }
    }
  }

  private long cpuNanos() {
    return guests.stream().mapToLong(guest -> guest.info().cpuNanos()).sum();
  }

  private void judge(Guest guest) {
    DomainInfo info = guest.info();
    if (info.state() != DomainInfo.State.SHUTDOWN) {
      verdict.fail(guest.name() + " did not power off when its time was up, and is destroyed");
    } else if (info.shutdownReason() != DomainInfo.POWEROFF) {
      verdict.fail(guest.name() + " ended with shutdown reason " + info.shutdownReason());
      guest.control().crashReport(guest.domid()).ifPresent(stage::line);
    }
  }

  @Override
  public void close() {
    consoles.forEach(ConsoleService.Attachment::close);
    guests.forEach(Guest::close);
  }
}
