package dev.domus.kernel.pci;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.Bar;
import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceBus;
import dev.domus.kernel.device.FunctionSpec;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.device.Registers;
import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * One function of the bus: a device, and everything between it and the rest of the machine.
 *
 * <h2>Who may lie</h2>
 *
 * The device, which is somebody's code: it may throw, hang in any call, set registers without
 * sense, raise vectors without end and send DMA anywhere. So its code runs on its own threads; a
 * vCPU that loads a register reads an image, after a wait with an end; DMA and messages go through
 * the IOMMU under the function's requester id. And the guest that owns it, which may store anything
 * anywhere in the regions as fast as it can: it fills its own device's queue and waits for its own
 * device.
 *
 * <h2>States</h2>
 *
 * <pre>
 *             plug               attach
 *   (absent) -----> Unassigned  <------->  Assigned(domid)
 *                       |        detach        |
 *                       '-------> Failed <-----'       any ---> Unplugged
 * </pre>
 *
 * A function fails at once, from whatever thread finds it out, without waiting for anybody: the
 * state changes by CAS, then DMA is cut off, vectors are masked, the device's threads are
 * interrupted. Regions of one that is not Assigned read as ones and take no stores. Attach and
 * detach are slow, wait for the device, and exclude one another by {@link #life}; each looks at the
 * state again when it has done its part, because the device may have failed meanwhile.
 *
 * <h2>The order of a detach</h2>
 *
 * Regions first, so that nothing new is asked of the device; then vectors, so that nothing arrives;
 * then DMA, with a wait for what is under way; then the reset. After that the next owner's secrets
 * cannot go where the last one has told the device to write, even if the device forgot nothing.
 */
public final class PciFunction {
  private static final System.Logger LOG = System.getLogger(PciFunction.class.getName());
  private static final long NO_ANSWER = -1;
  private static final String SLOW = "it did not take the stores to its registers in time";

  private final RequesterId id;
  private final String model;
  private final Device device;
  private final FunctionSpec spec;
  private final FunctionDma dma;
  private final Patience patience;
  private final Consumer<PciFunction> onFailure;
  private final ConfigSpace config;
  private final Messages messages;
  private final PostedStores stores = new PostedStores();
  private final DeviceThread thread;
  private final List<Region> regions = new ArrayList<>();
  private final Set<Thread> workers = ConcurrentHashMap.newKeySet();
  private final LongAdder faults = new LongAdder();
  private final ReentrantLock life = new ReentrantLock();
  private final AtomicReference<FunctionState> state =
      new AtomicReference<>(FunctionState.Unassigned.INSTANCE);

  /**
   * Whether the regions answer: memory is enabled in the command register, and a domain owns it.
   */
  private volatile boolean answering;

  private volatile boolean busMaster;

  /**
   * Makes the function; {@link #plug} follows.
   *
   * @param model the name of what modelled it
   * @param onFailure told once if it fails, on any thread; must not wait
   */
  PciFunction(
      RequesterId id,
      String model,
      Device device,
      FunctionDma dma,
      Patience patience,
      Consumer<PciFunction> onFailure) {
    this.id = id;
    this.model = model;
    this.device = device;
    this.dma = dma;
    this.patience = patience;
    this.onFailure = onFailure;
    spec = device.function();
    config = new ConfigSpace(spec, new WrittenConfig());
    messages = new Messages(spec.vectors(), this::sendMessage);
    thread = new DeviceThread("pci-" + id, stores, device::store, this::deviceThrew);
  }

  // ---- what it is

  /** Who it is on the bus. */
  public RequesterId id() {
    return id;
  }

  /** The name of what modelled it. */
  public String model() {
    return model;
  }

  /** What it is to software. */
  public FunctionSpec spec() {
    return spec;
  }

  /** Where it is in its life. */
  public FunctionState state() {
    return state.get();
  }

  /** Where its regions are, that of the MSI-X table included. */
  public List<BarPlace> places() {
    return regions.stream().map(Region::place).toList();
  }

  // ---- its life, for the bus

  /**
   * Puts it on the bus and starts the device.
   *
   * @param space gives each region its place
   * @return false if it failed at once
   */
  boolean plug(BarSpace space) {
    for (Bar bar : spec.bars()) {
      RegisterImage image = new RegisterImage(bar.bytes());
      regions.add(new Region(bar, image, space.claim(bar.bytes(), new DeviceRegion(bar, image))));
    }
    if (spec.interrupts() == InterruptKind.MSI_X) {
      MsixRegion table = new MsixRegion(messages);
      Bar bar = new Bar(freeBar(), table.bytes());
      regions.add(new Region(bar, null, space.claim(bar.bytes(), table)));
      config.placeMsix(bar.number(), table.pendingOffset());
    }
    for (Region region : regions) {
      config.place(region.bar, region.place().firstFrame() << BarSpace.FRAME_SHIFT);
    }
    thread.begin();
    return call("start", () -> device.start(new Bus())) && resetDevice();
  }

  private int freeBar() {
    int free = 0;
    while (isTaken(free)) {
      free += 2;
    }
    return free;
  }

  private boolean isTaken(int number) {
    return spec.bars().stream().anyMatch(bar -> bar.number() == number);
  }

  /**
   * Takes it off the bus; whoever owned it is without. Returns when it has no DMA under way, or has
   * failed to end it in time.
   */
  void unplug() {
    life.lock();
    try {
      FunctionState last = state.getAndSet(FunctionState.Unplugged.INSTANCE);
      silence();
      if (last instanceof FunctionState.Failed) {
        // It may hang in this, too; nobody waits.
        Thread.ofPlatform().daemon().name("pci-" + id + "-close").start(this::closeFailed);
      } else {
        thread.call("close", device::close, patience.resetNanos());
      }
      thread.end();
      workers.forEach(Thread::interrupt);
      regions.forEach(region -> region.claim.close());
      dma.close();
    } finally {
      life.unlock();
    }
  }

  private void closeFailed() {
    try {
      device.close();
    } catch (RuntimeException | LinkageError fault) { // a plugin's fault: it has failed already
      LOG.log(Level.WARNING, "device {0} at {1} failed to close: {2}", model, id, fault);
    }
  }

  /** Gives the device up: it has failed. */
  public void giveUp(String reason) {
    fail(reason);
  }

  /** Counts accesses of its to memory that were refused. */
  public void countFaults(long count) {
    faults.add(count);
  }

  /** How many accesses of its to memory were refused. */
  public long faults() {
    return faults.sum();
  }

  /** Looks whether the device has been in a store for longer than it may; called now and then. */
  void watch() {
    thread.watch(patience).ifPresent(this::fail);
  }

  // ---- owners

  /**
   * Gives it to a domain, reset.
   *
   * @return false if it is somebody's, has failed or is gone; or if it is still nobody's and there
   *     is no memory for the IOMMU's tables
   */
  public boolean attach(int domid) {
    life.lock();
    try {
      if (!(state.get() instanceof FunctionState.Unassigned) || !resetDevice()) {
        return false;
      }
      config.reset();
      if (!dma.attach(domid)) {
        return false;
      }
      boolean attached =
          state.compareAndSet(FunctionState.Unassigned.INSTANCE, new FunctionState.Assigned(domid));
      if (!attached) { // it has failed meanwhile
        dma.quarantine();
      }
      return attached;
    } finally {
      life.unlock();
    }
  }

  /**
   * Takes it back from a domain, and resets it.
   *
   * @return false if it was not the domain's
   */
  public boolean detach(int domid) {
    life.lock();
    try {
      FunctionState now = state.get();
      if (now instanceof FunctionState.Failed failed && failed.domid() == domid) {
        state.compareAndSet(now, new FunctionState.Failed(-1, failed.reason()));
        dma.detach();
        return true;
      }
      if (!now.equals(new FunctionState.Assigned(domid))) {
        return false;
      }
      silence();
      if (state.compareAndSet(now, FunctionState.Unassigned.INSTANCE)) {
        resetDevice();
      }
      return true;
    } finally {
      life.unlock();
    }
  }

  /** Regions, vectors, DMA, in this order. */
  private void silence() {
    answering = false;
    busMaster = false;
    messages.reset();
    dma.enable(false);
    if (!dma.detach()) {
      fail("an access of its to memory does not end");
    }
  }

  private boolean resetDevice() {
    return call("reset", device::reset);
  }

  private boolean call(String name, Runnable body) {
    boolean made = thread.call(name, body, patience.resetNanos());
    if (!made) {
      fail("it did not %s in %d ms".formatted(name, patience.resetNanos() / 1_000_000));
    }
    return made;
  }

  private void deviceThrew(String during, Throwable fault) {
    fail("it threw in %s: %s".formatted(during, fault));
  }

  /** Once: whoever finds the first fault. Waits for nobody. */
  private void fail(String reason) {
    FunctionState now = state.get();
    int owner = now instanceof FunctionState.Assigned assigned ? assigned.domid() : -1;
    while (now instanceof FunctionState.Unassigned || now instanceof FunctionState.Assigned) {
      if (state.compareAndSet(now, new FunctionState.Failed(owner, reason))) {
        answering = false;
        busMaster = false;
        dma.quarantine();
        messages.reset();
        thread.end();
        stores.end();
        workers.forEach(Thread::interrupt);
        LOG.log(Level.WARNING, "device {0} at {1} has failed: {2}", model, id, reason);
        onFailure.accept(this);
        return;
      }
      now = state.get();
      owner = now instanceof FunctionState.Assigned assigned ? assigned.domid() : -1;
    }
  }

  // ---- configuration space

  /** Reads configuration space: offset 0 to 4095, aligned to the size of 1, 2 or 4 bytes. */
  public int readConfig(int offset, int size) {
    return config.read(offset, size);
  }

  /** Writes configuration space; returns when what it does is done. */
  public void writeConfig(int offset, int size, int value) {
    life.lock();
    try {
      config.write(offset, size, value);
    } finally {
      life.unlock();
    }
  }

  private final class WrittenConfig implements ConfigSpace.Effects {
    @Override
    public void enable(boolean memory, boolean master) {
      boolean owned = state.get() instanceof FunctionState.Assigned;
      dma.enable(owned && master);
      busMaster = owned && master;
      answering = owned && memory;
      if (owned && !(state.get() instanceof FunctionState.Assigned)) { // it has failed meanwhile
        answering = false;
        busMaster = false;
        dma.quarantine();
      }
    }

    @Override
    public void functionLevelReset() {
      if (state.get() instanceof FunctionState.Assigned) {
        answering = false;
        busMaster = false;
        dma.enable(false);
        config.reset();
        resetDevice();
        config.showInterrupts(messages.anySet()); // they are the hypervisor's, and stay
      }
    }
  }

  // ---- interrupts

  /**
   * Sets the message of a vector, which is masked and stays so.
   *
   * @param vector 0 … {@link FunctionSpec#vectors} − 1
   * @param address below 4 GiB
   */
  public void setMessage(int vector, long address, int data) {
    messages.set(vector, address, data);
    config.showInterrupts(true);
  }

  /** Masks a vector, or lets it and what is pending through. */
  public void maskVector(int vector, boolean masked) {
    messages.mask(vector, masked);
  }

  /** Masks a vector and forgets its message. */
  public void unsetMessage(int vector) {
    messages.unset(vector);
    config.showInterrupts(messages.anySet());
  }

  private void sendMessage(long address, int data) {
    if (busMaster) {
      dma.message(address, data);
    }
  }

  // ---- regions

  /** A region, where it is, and what it reads as: null for the MSI-X table. */
  private record Region(Bar bar, RegisterImage image, IoClaim claim) {
    BarPlace place() {
      return new BarPlace(bar.number(), claim.first(), claim.count());
    }
  }

  private final class DeviceRegion implements IoHandler {
    private final int bar;
    private final RegisterImage image;

    DeviceRegion(Bar bar, RegisterImage image) {
      this.bar = bar.number();
      this.image = image;
    }

    @Override
    public long load(long offset, int size) {
      if (!answering) {
        return NO_ANSWER;
      }
      if (!stores.awaitTaken(patience.storeNanos())) {
        fail(SLOW);
        return NO_ANSWER;
      }
      return answering ? image.get(offset, size) : NO_ANSWER;
    }

    @Override
    public void store(long offset, int size, long value) {
      if (answering && !stores.post(bar, offset, size, value, patience.storeNanos())) {
        fail(SLOW);
      }
    }
  }

  /** The device's side. */
  private final class Bus implements DeviceBus {
    @Override
    public RequesterId requester() {
      return id;
    }

    @Override
    public DmaPort dma() {
      return dma.port();
    }

    @Override
    public Registers registers(int bar) {
      for (Region region : regions) {
        if (region.bar.number() == bar && region.image != null) {
          return region.image;
        }
      }
      throw new IllegalArgumentException("the function has no such BAR: bar=" + bar);
    }

    @Override
    public void interrupt(int vector) {
      Objects.checkIndex(vector, spec.vectors());
      // Software enables one message of MSI, and all vectors share it (PCI Local Bus, 6.8.3.4).
      messages.raise(spec.interrupts() == InterruptKind.MSI ? 0 : vector);
    }

    @Override
    public void work(String name, Runnable task) {
      Thread worker =
          Thread.ofPlatform()
              .daemon()
              .name("pci-%s-%s".formatted(id, name))
              .unstarted(() -> runWorker(name, task));
      workers.add(worker);
      worker.start();
      if (!(state.get() instanceof FunctionState.Unassigned)
          && !(state.get() instanceof FunctionState.Assigned)) {
        worker.interrupt(); // it failed before the thread was known
      }
    }

    @Override
    public void fail(String reason) {
      PciFunction.this.fail(reason);
    }
  }

  private void runWorker(String name, Runnable task) {
    try {
      task.run();
    } catch (Throwable fault) { // of a plugin: whatever it is, the device has failed
      deviceThrew(name, fault);
    } finally {
      workers.remove(Thread.currentThread());
    }
  }
}
