package dev.domus.kernel.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.RequesterId;
import dev.domus.iommu.dma.DmaSpace;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.device.DmaMode;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.device.DmaResources;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.pci.ScriptedDevice;
import dev.domus.kernel.service.DmaBuffer;
import dev.domus.kernel.service.DriverDevice;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.GrantedPage;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.servicedomain.LocalServiceDomain;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.Window;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/** A driver in a driver domain and its device, seen from both sides. */
@Timeout(60)
final class DriverDeviceTest {
  private static final RequesterId ID = RequesterId.of(0, 4, 0);
  private static final int READ = DmaBuffer.READ, WRITE = DmaBuffer.WRITE, BOTH = READ | WRITE;
  private static final long GFN = 0x100, MODE_GFN = 0x800;
  private static final int PAGES = 8, PAGE = 4096;

  /** All memory, as it is. */
  private record Raw() implements DmaMode {
    @Override
    public long map(DmaSpace space, long[] mfns, int from, int count, int rights, long limit) {
      return DmaSpace.NO_ADDRESS;
    }

    @Override
    public long map(DmaSpace space, long mfn, long count, int permissions, long limit) {
      return mfn << 12;
    }

    @Override
    public void unmap(DmaSpace space, long iova, long pages) {
      // stays
    }

    @Override
    public void settle(DmaSpace space) {
      // nothing to do
    }
  }

  private record RawFactory() implements DmaModeFactory {
    @Override
    public String name() {
      return "raw";
    }

    @Override
    public String description() {
      return "all memory";
    }

    @Override
    public boolean bypassesIommu() {
      return true;
    }

    @Override
    public DmaMode create(DmaResources resources) {
      return new Raw();
    }
  }

  /** A mode that keeps a page of memory and forgets to unmap it, and whatever else it is given. */
  private record LazyFactory() implements DmaModeFactory {
    @Override
    public String name() {
      return "lazy";
    }

    @Override
    public String description() {
      return "unmaps nothing";
    }

    @Override
    public int memoryPages() {
      return 1;
    }

    @Override
    public DmaMode create(DmaResources resources) {
      resources.space().map(resources.frames(), 0, 1, 3, Long.MAX_VALUE);
      return new DmaMode() {
        @Override
        public long map(DmaSpace space, long[] mfns, int from, int count, int rights, long limit) {
          return space.map(mfns, from, count, rights, limit);
        }

        @Override
        public long map(DmaSpace space, long mfn, long count, int rights, long limit) {
          return space.map(mfn, count, rights, limit);
        }

        @Override
        public void unmap(DmaSpace space, long iova, long pages) {
          // does not
        }

        @Override
        public void settle(DmaSpace space) {
          // does not
        }
      };
    }
  }

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final MemorySegment bytes = MemorySegment.ofArray(new long[PAGES * PAGE / 8]);
  private LocalServiceDomain domain;
  private Hypercalls domain0;
  private Hypercalls calls;
  private ScriptedDevice model;
  private DmaPort port;

  @BeforeEach
  void assign() {
    domain0 = machine.startDomain0().hypercalls();
    machine
        .hypervisor()
        .assignments()
        .drivers()
        .setModes(Map.of("raw", new RawFactory(), "lazy", new LazyFactory()), false);
    domain = machine.startDriver();
    calls = domain.hypercalls();
    calls.memory().populate(GFN, PAGES);
    machine.control().plugDevice("scripted", ID, Map.of());
    model = machine.devices().made.getFirst();
    port = model.bus.dma();
    machine.control().assignDevice(domain.domid(), ID);
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private DriverDevice open() {
    DriverDevice device = calls.openDevice(ID, "strict", MODE_GFN);
    device.enable(true, true);
    return device;
  }

  private boolean reads(long address, long length) {
    return port.read(address, bytes, 0, length) == DmaPort.OK;
  }

  private boolean writes(long address, long length) {
    return port.write(address, bytes, 0, length) == DmaPort.OK;
  }

  private long first() {
    return bytes.get(ValueLayout.JAVA_LONG, 0);
  }

  private static void refused(int errno, Executable call) {
    assertEquals(errno, assertThrows(HypercallException.class, call).errno());
  }

  private long freeFrames() {
    return machine.hypervisor().machineFrames().allocator().freeFrames();
  }

  @Test
  void theDeviceReachesWhatIsMappedAsLongAsItIs() {
    DriverDevice device = open();
    DmaBuffer buffer = device.register(GFN, PAGES, true);
    try (Window window = calls.memory().window(GFN, PAGES, true)) {
      window.putLong(PAGE, 0x11);
      long address = buffer.map(PAGE, PAGE, BOTH);
      assertTrue(reads(address, 8));
      assertEquals(0x11, first());
      bytes.set(ValueLayout.JAVA_LONG, 0, 0x22);
      assertTrue(writes(address + 8, 8));
      assertFalse(reads(address + PAGE, 8), "the next page");
      assertFalse(reads(address - PAGE, 8), "the page before");
      buffer.unmap(address, PAGE);
      assertFalse(reads(address, 8), "after unmapping");
      assertEquals(0x22, window.getLong(PAGE + 8));
    }
  }

  @Test
  void permissionsAreTheMappingsAndNeverMoreThanTheBuffers() {
    DriverDevice device = open();
    DmaBuffer readOnly = device.register(GFN, 1, false);
    refused(Errno.EPERM, () -> readOnly.map(0, PAGE, WRITE));
    refused(Errno.EPERM, () -> readOnly.map(0, PAGE, BOTH));
    refused(Errno.EPERM, () -> readOnly.mapCoherent(0, PAGE, BOTH));
    refused(Errno.EPERM, () -> readOnly.mapPages(new int[] {0}, 0, 1, WRITE));
    long address = readOnly.map(0, PAGE, READ);
    assertTrue(reads(address, 8));
    assertFalse(writes(address, 8));
    refused(Errno.EPERM, () -> readOnly.fromDevice(address, 8));
    DmaBuffer writable = device.register(GFN + 1, 1, true);
    long target = writable.map(0, PAGE, WRITE);
    assertTrue(writes(target, 8));
    assertFalse(reads(target, 8));
    refused(Errno.EINVAL, () -> writable.map(0, 8, 0));
    refused(Errno.EINVAL, () -> writable.map(0, 8, 4));
  }

  @Test
  void aMappingEndsOnceAndAsItBegan() {
    DriverDevice device = open();
    DmaBuffer buffer = device.register(GFN, 4, true);
    DmaBuffer other = device.register(GFN + 4, 1, true);
    long address = buffer.map(100, 2 * PAGE, READ);
    refused(Errno.EINVAL, () -> other.unmap(address, 2 * PAGE));
    refused(Errno.EINVAL, () -> buffer.unmap(address, 100));
    refused(Errno.EINVAL, () -> buffer.unmap(address + PAGE, 2 * PAGE));
    refused(Errno.EINVAL, () -> buffer.unmap(address, 0));
    buffer.unmap(address, 2 * PAGE);
    refused(Errno.EINVAL, () -> buffer.unmap(address, 2 * PAGE));
    refused(Errno.EINVAL, () -> buffer.map(0, 0, READ));
    refused(Errno.EINVAL, () -> buffer.map(-1, 8, READ));
    refused(Errno.EINVAL, () -> buffer.map(4 * PAGE - 7, 8, READ));
    refused(Errno.EINVAL, () -> buffer.map(8, Long.MAX_VALUE, READ));
    refused(Errno.EINVAL, () -> buffer.mapPages(new int[] {4}, 0, 1, READ));
    refused(Errno.EINVAL, () -> buffer.mapPages(new int[] {-1}, 0, 1, READ));
  }

  @Test
  void aScatterListIsSeenInItsOrder() {
    DriverDevice device = open();
    DmaBuffer buffer = device.register(GFN, PAGES, true);
    try (Window window = calls.memory().window(GFN, PAGES, true)) {
      for (int i = 0; i < PAGES; i++) {
        window.putLong((long) i * PAGE, i);
      }
    }
    int[] order = {7, 0, 3, 3, 5};
    long address = buffer.mapPages(order, 0, order.length, READ);
    for (int i = 0; i < order.length; i++) {
      assertTrue(reads(address + (long) i * PAGE, 8));
      assertEquals(order[i], first());
    }
    buffer.unmap(address, (long) order.length * PAGE);
    assertFalse(reads(address, 8));
  }

  @Test
  void aFrameThatIsGivenBackWaitsForTheBuffer() {
    DriverDevice device = open();
    DmaBuffer buffer = device.register(GFN, 2, true);
    long address = buffer.mapCoherent(0, 2 * PAGE, BOTH);
    calls.memory().giveBack(GFN, 2);
    calls.memory().populate(GFN, 2); // other frames
    long free = freeFrames();
    assertTrue(writes(address, 2 * PAGE));
    buffer.close();
    assertFalse(writes(address, 8));
    assertEquals(free + 2, freeFrames());
    refused(Errno.ESRCH, () -> buffer.map(0, 8, READ));
    buffer.close();
    assertEquals(free + 2, freeFrames());
    refused(Errno.EINVAL, () -> device.register(GFN + PAGES, 1, false));
  }

  @Test
  void whatWasMappedByAGrantIsReachedAsGrantedAndStaysMapped() {
    DriverDevice device = open();
    LocalServiceDomain front = machine.startDriver();
    front.hypercalls().memory().populate(GFN, 2);
    GrantedPage writable = front.hypercalls().grants().permit(domain.domid(), GFN, true);
    GrantedPage readable = front.hypercalls().grants().permit(domain.domid(), GFN + 1, false);
    GrantMapping mapping = calls.mapGrant(front.domid(), writable.ref(), true);
    DmaBuffer buffer = device.register(mapping);
    bytes.set(ValueLayout.JAVA_LONG, 0, 0x33);
    long address = buffer.map(0, PAGE, WRITE);
    assertTrue(writes(address, 8));
    mapping.close();
    refused(Errno.EINVAL, () -> device.register(mapping));
    assertTrue(writes(address, 8), "the buffer keeps it mapped");
    try (Window window = front.hypercalls().memory().window(GFN, 1, false)) {
      assertEquals(0x33, window.getLong(0));
    }
    DmaBuffer readOnly = device.register(calls.mapGrant(front.domid(), readable.ref(), false));
    refused(Errno.EPERM, () -> readOnly.map(0, 8, BOTH));
    assertTrue(reads(readOnly.map(0, 8, READ), 8));
    buffer.close();
    assertFalse(writes(address, 8));
    readOnly.close();
    GrantMapping foreign = front.hypercalls().mapGrant(domain.domid(), grantOfDriver(front), true);
    refused(Errno.EINVAL, () -> device.register(foreign));
  }

  private int grantOfDriver(LocalServiceDomain to) {
    return calls.grants().permit(to.domid(), GFN, true).ref();
  }

  @Test
  void registersAndInterruptsAreTheDevices() throws Exception {
    DriverDevice device = open();
    device.store(0, ScriptedDevice.COPY, 8, 42);
    assertEquals(42, device.load(0, ScriptedDevice.COPIED, 8));
    assertEquals(42, device.load(0, ScriptedDevice.COPIED, 1));
    refused(Errno.EINVAL, () -> device.load(0, 8192, 4));
    refused(Errno.EINVAL, () -> device.load(0, 2, 4));
    refused(Errno.EINVAL, () -> device.load(0, 0, 3));
    refused(Errno.EINVAL, () -> device.load(5, 0, 4));
    refused(Errno.EINVAL, () -> device.store(-1, 0, 4, 0));
    Semaphore arrived = new Semaphore(0);
    EventPort interrupt = device.bindInterrupt(1, arrived::release);
    device.store(0, ScriptedDevice.RAISE, 8, 1);
    assertTrue(arrived.tryAcquire(20, TimeUnit.SECONDS));
    interrupt.close();
    EventPort again = device.bindInterrupt(1, arrived::release);
    device.store(0, ScriptedDevice.RAISE, 8, 1);
    assertTrue(arrived.tryAcquire(20, TimeUnit.SECONDS));
    again.close();
    device.enable(false, false);
    assertEquals(0xffff_ffffL, device.load(0, ScriptedDevice.COPIED, 4));
  }

  @Test
  void onlyItsOwnerOpensItAndOnlyOnce() {
    Hypercalls stranger = machine.startDriver().hypercalls();
    refused(Errno.ENODEV, () -> stranger.openDevice(ID, "strict", MODE_GFN));
    refused(Errno.EINVAL, () -> calls.openDevice(ID, "fast", MODE_GFN));
    DriverDevice device = open();
    refused(Errno.EBUSY, () -> calls.openDevice(ID, "strict", MODE_GFN));
    device.close();
    device.close();
    refused(Errno.ESRCH, () -> device.load(0, 0, 4));
    refused(Errno.ESRCH, () -> device.register(GFN, 1, true));
    open().close();
  }

  @Test
  void aModeThatForgetsToUnmapLeavesNothingBehind() {
    long pages = calls.memory().pages(domain.domid());
    DriverDevice device = calls.openDevice(ID, "lazy", MODE_GFN);
    device.enable(true, true);
    DmaBuffer buffer = device.register(GFN, 2, true);
    long address = buffer.map(0, PAGE, BOTH);
    buffer.unmap(address, PAGE);
    assertTrue(reads(address, 8), "it does not unmap");
    device.close();
    DriverDevice again = open();
    assertFalse(reads(address, 8));
    assertFalse(reads(address - PAGE, 8));
    assertFalse(reads(address + PAGE, 8));
    again.close();
    assertEquals(pages, calls.memory().pages(domain.domid()), "the mode's page");
  }

  @Test
  void passingByTheIommuIsForDomain0AndHasToBeAllowed() {
    refused(Errno.EPERM, () -> calls.openDevice(ID, "raw", MODE_GFN));
    machine.control().deassignDevice(domain.domid(), ID);
    machine.control().assignDevice(0, ID);
    refused(Errno.EPERM, () -> domain0.openDevice(ID, "raw", MODE_GFN));
    domain0.openDevice(ID, "strict", MODE_GFN).close();
  }

  @Test
  void whereItIsAllowedADevicePassesUntilItIsClosed() {
    try (TinyMachine open = new TinyMachine(TestSchedulers.roundRobin(), 1)) {
      open.hypervisor().assignments().drivers().setModes(Map.of("raw", new RawFactory()), true);
      Hypercalls domain0 = open.startDomain0().hypercalls();
      open.control().plugDevice("scripted", ID, Map.of());
      DmaPort itsPort = open.devices().made.getFirst().bus.dma();
      open.control().assignDevice(0, ID);
      DriverDevice device = domain0.openDevice(ID, "raw", MODE_GFN);
      device.enable(true, true);
      assertEquals(DmaPort.OK, itsPort.read(0x10_0000, bytes, 0, 8));
      device.close();
      DriverDevice kept = domain0.openDevice(ID, "strict", MODE_GFN);
      kept.enable(true, true);
      assertNotEquals(DmaPort.OK, itsPort.read(0x10_0000, bytes, 0, 8));
      kept.close();
      open.control().deassignDevice(0, ID);
      LocalServiceDomain driver = open.startDriver();
      open.control().assignDevice(driver.domid(), ID);
      refused(Errno.EPERM, () -> driver.hypercalls().openDevice(ID, "raw", MODE_GFN));
    }
  }

  @Test
  void aDeviceThatIsTakenWhileItsDriverWorksEndsInErrorsForTheDriver() throws Exception {
    long before = freeFrames();
    DriverDevice device = open();
    DmaBuffer buffer = device.register(GFN, PAGES, true);
    CountDownLatch working = new CountDownLatch(3);
    int[] ends = new int[3];
    Thread[] threads = new Thread[ends.length];
    for (int i = 0; i < threads.length; i++) {
      int number = i;
      threads[i] = Thread.ofPlatform().start(() -> ends[number] = work(buffer, working));
    }
    working.await();
    machine.control().deassignDevice(domain.domid(), ID);
    for (Thread thread : threads) {
      thread.join();
    }
    for (int end : ends) {
      assertEquals(Errno.ESRCH, end);
    }
    refused(Errno.ESRCH, () -> device.load(0, 0, 4));
    refused(Errno.ENODEV, () -> calls.openDevice(ID, "strict", MODE_GFN));
    device.close();
    machine.control().assignDevice(domain.domid(), ID);
    open().close();
    assertEquals(before, freeFrames());
  }

  private static int work(DmaBuffer buffer, CountDownLatch working) {
    for (int i = 0; ; i++) {
      try {
        long address = buffer.map(i % PAGES * PAGE, PAGE, BOTH);
        buffer.unmap(address, PAGE);
      } catch (HypercallException end) {
        return end.errno();
      }
      if (i == 1000) {
        working.countDown();
      }
    }
  }

  @Test
  void aDomainsEndTakesItsDevicesBeforeItsMemory() {
    machine.control().deassignDevice(domain.domid(), ID);
    for (int round = 0; round < 3; round++) {
      long before = freeFrames();
      LocalServiceDomain driver = machine.startDriver();
      driver.hypercalls().memory().populate(GFN, PAGES);
      machine.control().assignDevice(driver.domid(), ID);
      DriverDevice device = driver.hypercalls().openDevice(ID, "lazy", MODE_GFN);
      device.enable(true, true);
      device.bindInterrupt(0, () -> {});
      DmaBuffer buffer = device.register(GFN, PAGES, true);
      long address = buffer.map(0, PAGES * PAGE, BOTH);
      assertTrue(writes(address, PAGES * PAGE));
      driver.close();
      assertFalse(reads(address, 8));
      refused(Errno.ESRCH, () -> buffer.map(0, 8, READ));
      assertTrue(machine.control().pciDevices().getFirst().owner().isEmpty());
      assertEquals(before, freeFrames());
      device.close();
      buffer.close();
    }
  }
}
