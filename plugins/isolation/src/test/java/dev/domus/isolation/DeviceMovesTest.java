package dev.domus.isolation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.console.ConsolePlugin;
import dev.domus.engine.jvm.JvmEngine;
import dev.domus.iommu.RequesterId;
import dev.domus.kernel.KernelMachine;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.PciDevice;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.HypercallException;
import dev.domus.nvme.NvmeModel;
import dev.domus.pciback.PcibackPlugin;
import dev.domus.sched.rr.RoundRobinFactory;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.KernelImage;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.life.GuestConfig;
import dev.domus.xenstore.XenstoreService;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** An NVMe controller that goes from guest to guest while it has commands under way. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class DeviceMovesTest {
  private static final String POOL = "pool0";
  private static final RequesterId NVME = RequesterId.parse("00:04.0");

  /** Reads without end that matters: the device has 32 commands under way all the time. */
  private static final String FOR_LONG = "reads=1000000000 depth=32";

  private static final String BEFORE_THE_READS = "and it goes on";

  @TempDir private Path directory;
  private final JvmEngine engine = new JvmEngine();
  private Machine machine;
  private Control control;

  @BeforeEach
  void start() throws Exception {
    Path disk = directory.resolve("disk.img");
    try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
      file.setLength(8 << 20);
    }
    RoundRobinFactory scheduler = new RoundRobinFactory();
    NvmeModel model = new NvmeModel();
    machine =
        KernelMachine.start(
            new MachineSpec(96L << 20, false, 2, POOL, scheduler.name()),
            Map.of(engine.name(), engine),
            Map.of(scheduler.name(), scheduler),
            Map.of(),
            Map.of(model.name(), model),
            Map.of(),
            List.of(new XenstoreService(), new ConsolePlugin(), new PcibackPlugin()));
    control = machine.domain0().hypercalls().control();
    control.plugDevice(model.name(), NVME, Map.of("file", disk.toString()));
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private Guest create(String name, String commandLine) throws BadInputException {
    Path image = Path.of(System.getProperty("domus.root"), "guest-kernels/images/nvme.elf");
    try (KernelImage read = KernelImage.read(image)) {
      return Guest.create(
          machine,
          new GuestConfig(
              name,
              UUID.randomUUID(),
              read,
              Optional.empty(),
              commandLine,
              (32 << 20) >> 12,
              1,
              engine.name(),
              POOL,
              256,
              0,
              false));
    }
  }

  private PciDevice device() {
    return control.pciDevices().getFirst();
  }

  private void runToTheEnd(Guest guest) throws Exception {
    Screen screen = new Screen();
    guest.attach(screen);
    guest.attachDevice(NVME);
    assertEquals(OptionalInt.of(guest.domid()), device().owner());
    guest.unpause();
    screen.await(" passed, ");
    screen.await("\n");
    assertTrue(screen.toString().contains(" passed, 0 failed"), screen::toString);
  }

  @Test
  void itIsTakenFromAGuestThatUsesItAndServesTheNext() throws Exception {
    try (Guest first = create("first", FOR_LONG);
        Guest second = create("second", "reads=500")) {
      Screen screen = new Screen();
      first.attach(screen);
      first.attachDevice(NVME);
      first.unpause();
      screen.await(BEFORE_THE_READS);
      HypercallException taken =
          assertThrows(HypercallException.class, () -> second.attachDevice(NVME));
      assertEquals(Errno.EBUSY, taken.errno());

      first.detachDevice(NVME);
      assertEquals(PciDevice.State.UNASSIGNED, device().state());
      assertThrows(BadInputException.class, () -> first.detachDevice(NVME));
      runToTheEnd(second);
    }
    assertEquals(PciDevice.State.UNASSIGNED, device().state());
  }

  @Test
  void aGuestIsDestroyedThatUsesItAndTheNextFindsItReset() throws Exception {
    for (int i = 0; i < 3; i++) {
      Guest busy = create("busy" + i, FOR_LONG);
      Screen screen = new Screen();
      busy.attach(screen);
      busy.attachDevice(NVME);
      busy.unpause();
      screen.await(BEFORE_THE_READS);
      busy.close();
      assertEquals(PciDevice.State.UNASSIGNED, device().state());
    }
    try (Guest last = create("last", "reads=500")) {
      runToTheEnd(last);
    }
  }

  @Test
  void itIsPulledOutOfARunningGuest() throws Exception {
    try (Guest guest = create("guest", FOR_LONG)) {
      Screen screen = new Screen();
      guest.attach(screen);
      guest.attachDevice(NVME);
      guest.unpause();
      screen.await(BEFORE_THE_READS);
      control.unplugDevice(NVME);
      assertEquals(List.of(), control.pciDevices());
    }
  }

  /** What a guest has printed. */
  private static final class Screen implements ConsoleService.Output {
    private final StringBuilder text = new StringBuilder();

    @Override
    public synchronized void write(byte[] bytes, int offset, int length) {
      text.append(new String(bytes, offset, length, StandardCharsets.ISO_8859_1));
      notifyAll();
    }

    synchronized void await(String wanted) throws InterruptedException {
      while (text.indexOf(wanted) < 0) {
        wait();
      }
    }

    @Override
    public synchronized String toString() {
      return text.toString();
    }
  }
}
