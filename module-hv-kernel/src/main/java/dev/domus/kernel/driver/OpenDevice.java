package dev.domus.kernel.driver;

import dev.domus.iommu.RequesterId;
import dev.domus.iommu.dma.DmaSpace;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.device.DmaMode;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.mmu.HeldFrames;
import dev.domus.kernel.pci.BarPlace;
import dev.domus.kernel.pci.PciFunction;
import dev.domus.kernel.service.DmaBuffer;
import dev.domus.kernel.service.DriverDevice;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.memory.MachineMemory;
import java.lang.System.Logger.Level;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A function that its driver has opened.
 *
 * <h2>The end</h2>
 *
 * <pre>
 *   close, by the driver              the function is taken, or the domain ends
 *   --------------------              -----------------------------------------
 *   shut: no call is under way        shut
 *   stop: no DMA, no messages         PciFunction.detach: regions, vectors, DMA, reset
 *   release                           release
 * </pre>
 *
 * {@link #release} closes ports, empties the tables, and closes buffers and then the mode. So at no
 * time is a frame let go that the device could reach, whatever the mode thinks of it. The one
 * exception is a device that the IOMMU does not translate, while it is open: what its driver
 * unmaps, or registers no more, stays in its reach.
 *
 * <p>Calls are counted by a {@link Presence}, so that none touches what has been given back. A
 * buffer that its driver closes while the device goes on is unmapped and settled first ({@link
 * RegisteredBuffer}).
 */
final class OpenDevice implements DriverDevice {
  private static final System.Logger LOG = System.getLogger(OpenDevice.class.getName());
  private static final int COMMAND = 4, MEMORY_SPACE = 2, BUS_MASTER = 4;
  private static final int BARS = 6;

  private final DriverSpace owner;
  private final PciFunction function;
  private final Domain domain;
  private final DmaModeFactory factory;
  private final DmaMode mode;
  private final DmaSpace space;
  private final DriverSpace.ModeMemory modeMemory;
  private final DriverCalls calls;
  private final Presence presence = new Presence();
  private final Set<RegisteredBuffer> buffers = ConcurrentHashMap.newKeySet();
  private final Set<EventPort> ports = ConcurrentHashMap.newKeySet();

  /** By number of a base-address region: its machine address and size; size 0 if there is none. */
  private final long[] bases = new long[BARS];

  private final long[] sizes = new long[BARS];

  OpenDevice(
      DriverSpace owner,
      PciFunction function,
      Domain domain,
      DmaModeFactory factory,
      DmaMode mode,
      DmaSpace space,
      DriverSpace.ModeMemory modeMemory,
      DriverCalls calls) {
    this.owner = owner;
    this.function = function;
    this.domain = domain;
    this.factory = factory;
    this.mode = mode;
    this.space = space;
    this.modeMemory = modeMemory;
    this.calls = calls;
    for (BarPlace place : function.places()) {
      bases[place.number()] = place.firstFrame() << MachineMemory.FRAME_SHIFT;
      sizes[place.number()] = place.frames() << MachineMemory.FRAME_SHIFT;
    }
  }

  // ---- for buffers

  DmaMode protection() {
    return mode;
  }

  DmaSpace space() {
    return space;
  }

  boolean bypassesIommu() {
    return factory.bypassesIommu();
  }

  HypercallException gone() {
    return new HypercallException(
        Errno.ESRCH, "device %s is closed, or no more the domain's".formatted(function.id()));
  }

  void forget(RegisteredBuffer buffer) {
    buffers.remove(buffer);
  }

  private void enter() {
    if (!presence.enter()) {
      throw gone();
    }
  }

  // ---- what it is

  @Override
  public RequesterId id() {
    return function.id();
  }

  @Override
  public String mode() {
    return factory.name();
  }

  @Override
  public long longestOpenNanos() {
    return mode.longestOpenNanos();
  }

  @Override
  public int open() {
    return mode.open();
  }

  // ---- the function

  @Override
  public void enable(boolean memory, boolean busMaster) {
    enter();
    try {
      int bits = (memory ? MEMORY_SPACE : 0) | (busMaster ? BUS_MASTER : 0);
      function.writeConfig(COMMAND, Short.BYTES, bits);
    } finally {
      presence.leave();
    }
  }

  @Override
  public long load(int bar, long offset, int size) {
    long at = register(bar, offset, size);
    enter();
    try {
      long value = domain.io().load(at, size);
      return size == Long.BYTES ? value : value & (1L << size * Byte.SIZE) - 1;
    } finally {
      presence.leave();
    }
  }

  @Override
  public void store(int bar, long offset, int size, long value) {
    long at = register(bar, offset, size);
    enter();
    try {
      domain.io().store(at, size, value);
    } finally {
      presence.leave();
    }
  }

  private long register(int bar, long offset, int size) {
    boolean sized = size == 1 || size == 2 || size == 4 || size == 8;
    if (!sized
        || bar < 0
        || bar >= BARS
        || offset < 0
        || offset > sizes[bar] - size
        || (offset & size - 1) != 0) {
      throw new HypercallException(
          Errno.EINVAL,
          "device %s has no such register: bar=%d offset=0x%x size=%d"
              .formatted(function.id(), bar, offset, size));
    }
    return bases[bar] + offset;
  }

  @Override
  public EventPort bindInterrupt(int vector, Runnable handler) {
    enter();
    try {
      EventPort port = calls.bindInterrupt(function, vector, handler);
      ports.add(port);
      return port;
    } finally {
      presence.leave();
    }
  }

  // ---- memory

  @Override
  public DmaBuffer register(long gfn, int pages, boolean writable) {
    enter();
    try {
      HeldFrames held =
          domain
              .physmap()
              .orElseThrow()
              .hold(gfn, pages, writable)
              .orElseThrow(() ->
                  new HypercallException(
                      Errno.EINVAL,
                      "not all of it is memory of domain %d: gfn=0x%x pages=%d writable=%b"
                          .formatted(domain.domid(), gfn, pages, writable)));
      return add(new Registered(held.mfns(), writable, held::release));
    } finally {
      presence.leave();
    }
  }

  @Override
  public DmaBuffer register(GrantMapping mapping) {
    enter();
    try {
      return add(calls.hold(mapping));
    } finally {
      presence.leave();
    }
  }

  private DmaBuffer add(Registered frames) {
    RegisteredBuffer buffer = new RegisteredBuffer(this, frames);
    buffers.add(buffer);
    return buffer;
  }

  @Override
  public void settle() {
    enter();
    try {
      mode.settle(space);
    } finally {
      presence.leave();
    }
  }

  // ---- the end

  @Override
  public void close() {
    owner.close(this);
  }

  /** No call is under way any more, nor will one be. Not to be called from within one. */
  void shut() {
    presence.shut();
    buffers.forEach(RegisteredBuffer::shut);
  }

  /** The function sends nothing any more. */
  void stop() {
    function.writeConfig(COMMAND, Short.BYTES, 0);
  }

  /** Gives everything back; the function is cut off, and finds nothing if it is not. */
  void release() {
    ports.forEach(EventPort::close);
    emptyTables();
    buffers.forEach(RegisteredBuffer::close);
    mode.close();
    modeMemory.release();
  }

  private void emptyTables() {
    boolean empty = false;
    while (!empty) {
      try {
        space.domain().unmap(0, space.domain().pages());
        empty = true;
      } catch (IllegalStateException accessDoesNotEnd) { // what it reaches must not be let go
        LOG.log(Level.ERROR, accessDoesNotEnd.getMessage());
      }
    }
  }
}
