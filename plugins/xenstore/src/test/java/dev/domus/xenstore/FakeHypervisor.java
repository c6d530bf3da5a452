package dev.domus.xenstore;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.service.DomainMemory;
import dev.domus.kernel.service.DriverDevice;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantCopy;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.HypervisorVersion;
import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import dev.domus.kernel.service.OwnGrants;
import dev.domus.kernel.service.PortStatus;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.Services;
import dev.domus.kernel.service.Worker;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.Window;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A hypervisor as far as xenstore sees one: guests are a page of memory and a port each, and
 * handlers run on one event thread, as a service domain's do.
 */
public final class FakeHypervisor implements ServiceDomain, Hypercalls, Services, AutoCloseable {
  private static final int FRAMES = 1024;

  private final MemorySegment memory = Arena.ofAuto().allocate(FRAMES * 4096L, 4096);
  private final CodeFrames codeFrames = new CodeFrames(FRAMES);
  private final ExecutorService eventThread =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("events").factory());
  private final Map<Class<?>, Object> services = new ConcurrentHashMap<>();
  private final Map<Integer, Guest> guests = new ConcurrentHashMap<>();
  private final AtomicInteger mapped = new AtomicInteger();
  private final AtomicInteger lastMfn = new AtomicInteger();
  private volatile Runnable domainException = () -> {};

  /** A guest: its ring page, and the semaphore that counts events sent to it. */
  public final class Guest {
    private final int domid;
    private final Window page;
    private final long mfn;
    private final UUID uuid = UUID.randomUUID();
    private final Semaphore events = new Semaphore(0);
    private volatile Optional<FakePort> remote = Optional.empty();
    private volatile DomainInfo.State state = DomainInfo.State.RUNNING;

    private Guest(int domid) {
      this.domid = domid;
      mfn = lastMfn.incrementAndGet();
      page = Window.of(memory, codeFrames, true, () -> {}, mfn);
    }

    /** Its domain id. */
    public int domid() {
      return domid;
    }

    /** Its ring page as it sees it. */
    public Window page() {
      return page;
    }

    /** Counts events that it was sent. */
    public Semaphore events() {
      return events;
    }

    /** Sends on its port. */
    public void send() {
      remote.ifPresent(FakePort::notified);
    }

    /** Changes what the hypervisor says of it, and tells domain 0. */
    public void state(DomainInfo.State changed) {
      state = changed;
      eventThread.execute(domainException);
    }

    /** Takes it away, and tells domain 0. */
    public void destroy() {
      guests.remove(domid);
      eventThread.execute(domainException);
    }
  }

  /** Makes a guest, port 1 of which is its xenstore port. */
  public Guest guest(int domid) {
    Guest guest = new Guest(domid);
    guests.put(domid, guest);
    return guest;
  }

  /** How many grants are mapped. */
  public int mapped() {
    return mapped.get();
  }

  // ---- ServiceDomain ----

  @Override
  public int domid() {
    return 0;
  }

  @Override
  public String name() {
    return "Domain-0";
  }

  @Override
  public Hypercalls hypercalls() {
    return this;
  }

  @Override
  public Worker worker(String name) {
    return new FakeWorker(name);
  }

  @Override
  public Services services() {
    return this;
  }

  @Override
  public <T> void publish(Class<T> type, T service) {
    services.put(type, service);
  }

  @Override
  public <T> void withdraw(Class<T> type, T service) {
    services.remove(type, service);
  }

  @Override
  public <T> Optional<T> find(Class<T> type) {
    return Optional.ofNullable(type.cast(services.get(type)));
  }

  // ---- Hypercalls ----

  @Override
  public EventPort allocUnbound(int remoteDomid, Runnable handler) {
    throw new UnsupportedOperationException();
  }

  @Override
  public EventPort bindInterdomain(int remoteDomid, int remotePort, Runnable handler) {
    Guest guest = guest(remoteDomid, "bind");
    if (remotePort != 1) {
      throw new HypercallException(Errno.EINVAL, "no such port: port=" + remotePort);
    }
    FakePort port = new FakePort(guest, handler);
    guest.remote = Optional.of(port);
    port.notified();
    return port;
  }

  @Override
  public EventPort bindVirq(int virq, Runnable handler) {
    domainException = handler;
    return new FakePort(new Guest(0), handler);
  }

  @Override
  public long ioMemoryStart() {
    throw new UnsupportedOperationException();
  }

  @Override
  public IoClaim claimIoMemory(long firstFrame, long frames, IoHandler handler) {
    throw new UnsupportedOperationException();
  }

  @Override
  public IoClaim claimIoPorts(int first, int count, IoHandler handler) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int readConfig(RequesterId function, int offset, int size) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void writeConfig(RequesterId function, int offset, int size, int value) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int mapPirq(int domid, RequesterId function, InterruptKind kind, int vector) {
    throw new UnsupportedOperationException();
  }

  @Override
  public DriverDevice openDevice(RequesterId function, String mode, long gfn) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void unmapPirq(int domid, int pirq) {
    throw new UnsupportedOperationException();
  }

  @Override
  public GrantMapping mapGrant(int domid, int ref, boolean writable) {
    Guest guest = guest(domid, "map");
    if (ref != 1) {
      throw new HypercallException(Errno.EPERM, "not granted: ref=" + ref);
    }
    mapped.incrementAndGet();
    Window window = Window.of(memory, codeFrames, writable, mapped::decrementAndGet, guest.mfn);
    return new GrantMapping() {
      private final AtomicBoolean closed = new AtomicBoolean();

      @Override
      public Window window() {
        return window;
      }

      @Override
      public void close() {
        if (closed.compareAndSet(false, true)) {
          window.revoke();
          window.close();
        }
      }
    };
  }

  private Guest guest(int domid, String what) {
    Guest guest = guests.get(domid);
    if (guest == null) {
      throw new HypercallException(Errno.ESRCH, "no such domain to " + what + ": domid=" + domid);
    }
    return guest;
  }

  /** Of the control interface xenstore asks one thing: what has become of a domain. */
  @Override
  public int allocUnboundIn(int domid, int remoteDomid) {
    throw new UnsupportedOperationException();
  }

  @Override
  public PortStatus portStatus(int domid, int port) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void resetPorts(int domid) {
    throw new UnsupportedOperationException();
  }

  @Override
  public GrantMapping mapGrants(int domid, int[] refs, boolean writable) {
    throw new UnsupportedOperationException();
  }

  @Override
  public GrantMapping mapGrantsAt(int domid, int[] refs, boolean writable, long gfn) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int[] copy(List<GrantCopy> copies) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int grantTableFrames(int domid) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int grantTableVersion(int domid) {
    throw new UnsupportedOperationException();
  }

  @Override
  public OwnGrants grants() {
    throw new UnsupportedOperationException();
  }

  @Override
  public DomainMemory memory() {
    throw new UnsupportedOperationException();
  }

  @Override
  public void shutdown(int reason) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void remoteShutdown(int domid, int reason) {
    throw new UnsupportedOperationException();
  }

  @Override
  public HypervisorVersion version() {
    throw new UnsupportedOperationException();
  }

  @Override
  public void writeConsole(byte[] text) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Control control() {
    return (Control)
        Proxy.newProxyInstance(
            Control.class.getClassLoader(),
            new Class<?>[] {Control.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("domain")) {
                return Optional.ofNullable(guests.get((Integer) arguments[0]))
                    .map(FakeHypervisor::info);
              }
              throw new UnsupportedOperationException(method.getName());
            });
  }

  private static DomainInfo info(Guest guest) {
    return new DomainInfo(
        guest.domid, guest.uuid, guest.state, -1, 1, 1, 1, 1, "pool", 256, 0, 0, 0, 0);
  }

  @Override
  public void close() {
    eventThread.shutdownNow();
  }

  private final class FakePort implements EventPort {
    private final Guest guest;
    private final Runnable handler;
    private final AtomicBoolean pending = new AtomicBoolean();
    private volatile boolean closed;

    FakePort(Guest guest, Runnable handler) {
      this.guest = guest;
      this.handler = handler;
    }

    void notified() {
      if (pending.compareAndSet(false, true)) {
        eventThread.execute(() -> {
          pending.set(false);
          if (!closed) {
            handler.run();
          }
        });
      }
    }

    @Override
    public int port() {
      return 7;
    }

    @Override
    public void send() {
      if (!closed) {
        guest.events.release();
      }
    }

    @Override
    public void close() {
      closed = true;
    }
  }
}
