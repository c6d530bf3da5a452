package dev.domus.kernel.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceException;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.device.DeviceOption;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.io.IoSpace;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PciFunctionTest {
  private static final RequesterId ID = RequesterId.parse("00:04.0");
  private static final int GUEST = 5;
  private static final long FIRST_IO_FRAME = 0x10001;
  private static final long ONES = -1;
  private static final long HOURS = TimeUnit.HOURS.toNanos(9);

  private final IoSpace memory = new IoSpace(BarSpace.FRAME_SHIFT, FIRST_IO_FRAME, 1L << 40);
  private final RecordingDma dma = new RecordingDma();
  private final CompletableFuture<PciFunction> failure = new CompletableFuture<>();
  private final PciBus bus =
      new PciBus(
          memory,
          id -> dma,
          new Patience(200_000_000, 300_000_000, 5_000_000_000L),
          failure::complete);
  private ScriptedDevice device;

  /** Offers one device, made before. */
  private record Model(Device made) implements DeviceModel {
    @Override
    public String name() {
      return "scripted";
    }

    @Override
    public String description() {
      return "does as it is told";
    }

    @Override
    public List<DeviceOption> options() {
      return List.of(
          new DeviceOption("file", "PATH", Optional.empty(), "what it keeps its data in"));
    }

    @Override
    public Device create(Map<String, String> options) {
      return made;
    }
  }

  @AfterEach
  void close() {
    if (device != null) {
      device.let.countDown();
    }
    bus.close();
  }

  private PciFunction plug(InterruptKind interrupts, int vectors) throws DeviceException {
    device = new ScriptedDevice(interrupts, vectors);
    return bus.plug(ID, new Model(device), Map.of("file", "x"));
  }

  private PciFunction owned(InterruptKind interrupts, int vectors) throws DeviceException {
    PciFunction function = plug(interrupts, vectors);
    assertTrue(function.attach(GUEST));
    function.writeConfig(
        ConfigLayout.COMMAND, 2, ConfigLayout.COMMAND_MEMORY | ConfigLayout.COMMAND_BUS_MASTER);
    return function;
  }

  private static long address(PciFunction function) {
    return function.places().getFirst().firstFrame() << BarSpace.FRAME_SHIFT;
  }

  @Test
  void aLoadSeesWhatTheStoresBeforeItHaveDone() throws DeviceException {
    long registers = address(owned(InterruptKind.NONE, 0));
    for (long i = 1; i < 10_000; i++) {
      memory.store(registers + ScriptedDevice.COPY, 8, i);
      assertEquals(i, memory.load(registers + ScriptedDevice.COPIED, 8));
    }
    assertNotEquals(Thread.currentThread(), device.ranOn, "a device's code ran on a vCPU's thread");
  }

  @Test
  void aDeviceThatHangsIsGivenUpAndItsRegistersReadAsOnes() throws Exception {
    PciFunction function = owned(InterruptKind.NONE, 0);
    long registers = address(function);
    memory.store(registers + ScriptedDevice.HANG, 8, 1);
    device.hanging.await();
    assertEquals(ONES, memory.load(registers + ScriptedDevice.COPIED, 8));
    assertSame(function, failure.get(10, TimeUnit.SECONDS));
    FunctionState.Failed failed = assertInstanceOf(FunctionState.Failed.class, function.state());
    assertEquals(GUEST, failed.domid());
    assertTrue(dma.calls.contains("quarantine"), dma.calls::toString);
    assertFalse(function.attach(GUEST + 1), "a failed device was given to somebody");
  }

  @Test
  void aDeviceThatHangsIsFoundOutThoughNobodyLoads() throws Exception {
    PciFunction function = owned(InterruptKind.NONE, 0);
    memory.store(address(function) + ScriptedDevice.HANG, 8, 1);
    assertSame(function, failure.get(10, TimeUnit.SECONDS));
  }

  /** The time by the clock is as long as a busy host may need; what the device uses tells. */
  @Test
  void aDeviceThatComputesForEverIsFoundOutByWhatItUses() throws Exception {
    CompletableFuture<PciFunction> found = new CompletableFuture<>();
    try (PciBus patient =
        new PciBus(memory, id -> dma, new Patience(50_000_000, HOURS, HOURS), found::complete)) {
      device = new ScriptedDevice(InterruptKind.NONE, 0);
      PciFunction function = patient.plug(ID, new Model(device), Map.of("file", "x"));
      assertTrue(function.attach(GUEST));
      function.writeConfig(ConfigLayout.COMMAND, 2, ConfigLayout.COMMAND_MEMORY);
      memory.store(address(function) + ScriptedDevice.SPIN, 8, 1);
      assertEquals(ONES, memory.load(address(function) + ScriptedDevice.COPIED, 8));
      assertSame(function, found.get(60, TimeUnit.SECONDS));
      FunctionState.Failed failed = assertInstanceOf(FunctionState.Failed.class, function.state());
      assertTrue(failed.reason().contains("of CPU time in one store"), failed.reason());
    }
  }

  @Test
  void storesToADeviceThatHangsEndWhenItsQueueIsFull() throws Exception {
    PciFunction function = owned(InterruptKind.NONE, 0);
    for (int i = 0; i < 5000; i++) {
      memory.store(address(function) + ScriptedDevice.HANG, 8, i);
    }
    assertSame(function, failure.get(10, TimeUnit.SECONDS));
  }

  @Test
  void aDeviceThatThrowsFailsWithWhatItThrew() throws Exception {
    PciFunction function = owned(InterruptKind.NONE, 0);
    memory.store(address(function) + ScriptedDevice.THROW, 8, 1);
    failure.get(10, TimeUnit.SECONDS);
    FunctionState.Failed failed = assertInstanceOf(FunctionState.Failed.class, function.state());
    assertTrue(failed.reason().contains("told to throw"), failed.reason());
  }

  @Test
  void aFailedDeviceGivesBackWhatItHadOfTheHost() throws Exception {
    PciFunction function = owned(InterruptKind.NONE, 0);
    memory.store(address(function) + ScriptedDevice.HANG, 8, 1);
    failure.get(10, TimeUnit.SECONDS);
    assertTrue(bus.unplug(ID));
    assertTrue(device.closed.await(10, TimeUnit.SECONDS), "it was not closed");
  }

  @Test
  void aThreadOfADeviceThatThrowsIsItsFailure() throws Exception {
    PciFunction function = owned(InterruptKind.NONE, 0);
    device.bus.work(
        "io",
        () -> {
          throw new IllegalStateException("lost its file");
        });
    assertSame(function, failure.get(10, TimeUnit.SECONDS));
  }

  @Test
  void nobodyIsAnsweredWhoDoesNotOwnItOrHasNotEnabledIt() throws DeviceException {
    PciFunction function = plug(InterruptKind.NONE, 0);
    long registers = address(function);
    function.writeConfig(ConfigLayout.COMMAND, 2, ConfigLayout.COMMAND_MEMORY);
    assertEquals(ONES, memory.load(registers + ScriptedDevice.COPIED, 8));
    assertTrue(function.attach(GUEST));
    assertEquals(ONES, memory.load(registers + ScriptedDevice.COPIED, 8));
    function.writeConfig(ConfigLayout.COMMAND, 2, ConfigLayout.COMMAND_MEMORY);
    assertEquals(0, memory.load(registers + ScriptedDevice.COPIED, 8));
  }

  @Test
  void betweenOwnersItsDmaEndsBeforeItIsReset() throws DeviceException {
    PciFunction function = owned(InterruptKind.NONE, 0);
    memory.store(address(function) + ScriptedDevice.COPY, 8, 0x5ec2e7);
    assertEquals(0x5ec2e7, memory.load(address(function) + ScriptedDevice.COPIED, 8));
    int resets = device.resets;
    dma.calls.clear();
    assertFalse(function.detach(GUEST + 1), "a domain gave back what was another's");
    assertTrue(function.detach(GUEST));
    assertEquals(List.of("enable false", "detach"), dma.calls);
    assertEquals(resets + 1, device.resets);
    assertTrue(function.attach(GUEST + 1));
    function.writeConfig(ConfigLayout.COMMAND, 2, ConfigLayout.COMMAND_MEMORY);
    assertEquals(0, memory.load(address(function) + ScriptedDevice.COPIED, 8));
  }

  @Test
  void aVectorIsSentOnceItHasAMessageAndTheFunctionMaySend() throws DeviceException {
    PciFunction function = owned(InterruptKind.MSI_X, 4);
    dma.calls.clear();
    long registers = address(function);
    memory.store(registers + ScriptedDevice.RAISE, 8, 2);
    memory.load(registers, 8);
    assertEquals(List.of(), dma.calls, "a masked vector was sent");
    function.setMessage(2, 0xfee0_0010L, 7);
    function.maskVector(2, false);
    assertEquals(List.of("message fee00010 7"), dma.calls, "what was pending was not sent");
    memory.store(registers + ScriptedDevice.RAISE, 8, 2);
    memory.load(registers, 8);
    assertEquals(2, dma.calls.size());
    function.writeConfig(ConfigLayout.COMMAND, 2, ConfigLayout.COMMAND_MEMORY);
    dma.calls.clear();
    memory.store(registers + ScriptedDevice.RAISE, 8, 2);
    memory.load(registers, 8);
    assertEquals(List.of(), dma.calls, "it was sent though the function is no bus master");
  }

  @Test
  void theTableOfMessagesCannotBeWrittenByItsOwner() throws DeviceException {
    PciFunction function = owned(InterruptKind.MSI_X, 4);
    BarPlace table = function.places().get(1);
    long address = table.firstFrame() << BarSpace.FRAME_SHIFT;
    function.setMessage(1, 0xfee0_0010L, 7);
    function.maskVector(1, false);
    assertEquals(1, memory.load(address + 12, 4));
    assertEquals(0, memory.load(address + ConfigLayout.MSIX_ENTRY_SIZE + 12, 4));
    memory.store(address + ConfigLayout.MSIX_ENTRY_SIZE, 8, 0x1234_5678);
    assertEquals(0, memory.load(address + ConfigLayout.MSIX_ENTRY_SIZE, 8));
    dma.calls.clear();
    device.bus.interrupt(1);
    assertEquals(List.of("message fee00010 7"), dma.calls);
    device.bus.interrupt(0);
    assertEquals(1, memory.load(address + table.frames() * 4096 / 2, 8), "pending bits");
  }

  @Test
  void aVectorThatThereIsNotIsTheDevicesFailure() throws Exception {
    PciFunction function = owned(InterruptKind.MSI_X, 4);
    memory.store(address(function) + ScriptedDevice.RAISE, 8, 4);
    assertSame(function, failure.get(10, TimeUnit.SECONDS));
  }

  @Test
  void whoSaysWrongThingsOfADeviceIsTold() {
    Model model = new Model(new ScriptedDevice(InterruptKind.NONE, 0));
    String missing =
        assertThrows(DeviceException.class, () -> bus.plug(ID, model, Map.of())).getMessage();
    assertTrue(missing.contains("file=PATH"), missing);
    String unknown =
        assertThrows(
                DeviceException.class, () -> bus.plug(ID, model, Map.of("file", "x", "fiel", "y")))
            .getMessage();
    assertTrue(unknown.contains("no option fiel; it has: file"), unknown);
  }

  @Test
  void twoDevicesDoNotShareAPlace() throws DeviceException {
    plug(InterruptKind.NONE, 0);
    assertThrows(
        DeviceException.class,
        () ->
            bus.plug(ID, new Model(new ScriptedDevice(InterruptKind.NONE, 0)), Map.of("file", "")));
    PciFunction other =
        bus.plug(
            RequesterId.parse("00:05.0"),
            new Model(new ScriptedDevice(InterruptKind.NONE, 0)),
            Map.of("file", ""));
    assertNotEquals(
        bus.function(ID).orElseThrow().places().getFirst().firstFrame(),
        other.places().getFirst().firstFrame());
    assertEquals(0, other.places().getFirst().firstFrame() % 2, "not aligned to its size");
  }

  @Test
  void whatIsUnpluggedAnswersNobody() throws DeviceException {
    PciFunction function = owned(InterruptKind.NONE, 0);
    assertTrue(bus.unplug(ID));
    assertEquals(0, device.closed.getCount());
    assertEquals(ONES, memory.load(address(function), 8));
    assertFalse(bus.unplug(ID));
  }
}
