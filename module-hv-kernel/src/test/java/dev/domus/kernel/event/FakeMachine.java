package dev.domus.kernel.event;

import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.mmu.FrameReferences;
import dev.domus.kernel.trace.ring.Tracer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Domains that consist of event channels and a shared info page. Domain 0 may control the others.
 */
public final class FakeMachine implements EventDomains {
  private static final int PAGE = 4096;

  /** The first frame that a guest may give for its event words. */
  static final int FIRST_ORDINARY = 16;

  private static final int FRAMES = 512;

  private final MemorySegment memory = Arena.ofAuto().allocate((long) FRAMES * PAGE, PAGE);
  private final Frames frames = new Frames();
  private final Tracer tracer = new Tracer(System::nanoTime);
  private final Map<Integer, EventChannels> channels = new ConcurrentHashMap<>();

  @Override
  public Optional<EventChannels> events(int domid) {
    return Optional.ofNullable(channels.get(domid));
  }

  @Override
  public boolean mayControl(int callerDomid, int targetDomid) {
    return callerDomid == 0;
  }

  @Override
  public MemorySegment memory() {
    return memory;
  }

  @Override
  public FrameReferences frameReferences() {
    return frames;
  }

  @Override
  public Tracer tracer() {
    return tracer;
  }

  /** References taken on a frame and not given back. */
  int references(long mfn) {
    return frames.held.get((int) mfn);
  }

  /** Frames from {@link #FIRST_ORDINARY} on are everybody's; the others are shared info pages. */
  private static final class Frames implements FrameReferences {
    final AtomicIntegerArray held = new AtomicIntegerArray(FRAMES);

    @Override
    public boolean get(int domid, long mfn) {
      if (mfn < FIRST_ORDINARY || mfn >= FRAMES) {
        return false;
      }
      held.incrementAndGet((int) mfn);
      return true;
    }

    @Override
    public void put(long mfn) {
      if (held.decrementAndGet((int) mfn) < 0) {
        throw new AssertionError("put too often: mfn=" + mfn);
      }
    }

    @Override
    public boolean getWritable(int domid, long mfn) {
      return get(domid, mfn);
    }

    @Override
    public void putWritable(long mfn) {
      put(mfn);
    }
  }

  Guest guest(int domid, int vcpus) {
    Guest guest = new Guest(domid, vcpus);
    channels.put(domid, guest.events);
    return guest;
  }

  public ServiceEvents service(int domid) {
    ServiceEvents service = new ServiceEvents(domid, this);
    channels.put(domid, service.channels());
    return service;
  }

  /** A guest's side: its bitmaps, and what it was told. */
  final class Guest implements EventTarget {
    final List<Integer> portsTold = new ArrayList<>();
    final AtomicInteger upcalls = new AtomicInteger();
    volatile Thread sleeper;
    final EventChannels events;
    private final int domid;
    private final int vcpus;
    private final long page;
    private final AtomicLong missingInfo = new AtomicLong(-1);

    private Guest(int domid, int vcpus) {
      this.domid = domid;
      this.vcpus = vcpus;
      page = (long) domid * PAGE;
      events = new EventChannels(this, FakeMachine.this);
    }

    void dropVcpuInfo(int vcpu) {
      missingInfo.set(vcpu);
    }

    boolean pending(int port) {
      return bit(SharedInfoLayout.EVTCHN_PENDING, port);
    }

    private boolean bit(int bitmap, int port) {
      return (memory.get(ValueLayout.JAVA_LONG, page + bitmap + (port >>> 6) * 8L) >>> port & 1)
          != 0;
    }

    void setMasked(int port, boolean masked) {
      long at = page + SharedInfoLayout.EVTCHN_MASK + (port >>> 6) * 8L;
      long word = memory.get(ValueLayout.JAVA_LONG, at);
      memory.set(ValueLayout.JAVA_LONG, at, masked ? word | 1L << port : word & ~(1L << port));
    }

    boolean upcallPending(int vcpu) {
      return memory.get(ValueLayout.JAVA_BYTE, info(vcpu)) != 0;
    }

    long selector(int vcpu) {
      return memory.get(ValueLayout.JAVA_LONG, info(vcpu) + SharedInfoLayout.PENDING_SEL);
    }

    /** Does what a guest's upcall handler does; returns the ports taken. */
    List<Integer> takeEvents(int vcpu) {
      List<Integer> taken = new ArrayList<>();
      var longs = ValueLayout.JAVA_LONG.varHandle();
      ValueLayout.JAVA_BYTE.varHandle().setVolatile(memory, info(vcpu), (byte) 0);
      long selected = (long) longs.getAndSet(memory, info(vcpu) + SharedInfoLayout.PENDING_SEL, 0L);
      for (; selected != 0; selected &= selected - 1) {
        int word = Long.numberOfTrailingZeros(selected);
        long mask =
            (long) longs.getVolatile(memory, page + SharedInfoLayout.EVTCHN_MASK + word * 8L);
        long at = page + SharedInfoLayout.EVTCHN_PENDING + word * 8L;
        for (long bits = (long) longs.getVolatile(memory, at) & ~mask;
            bits != 0;
            bits &= bits - 1) {
          long old = (long) longs.getAndBitwiseAnd(memory, at, ~Long.lowestOneBit(bits));
          taken.add(word * 64 + Long.numberOfTrailingZeros(bits));
        }
      }
      return taken;
    }

    void garble(long seed) {
      java.util.Random random = new java.util.Random(seed);
      for (int i = 0; i < PAGE; i += 8) {
        memory.set(ValueLayout.JAVA_LONG, page + i, random.nextLong());
      }
    }

    void clear() {
      memory.asSlice(page, PAGE).fill((byte) 0);
    }

    private long info(int vcpu) {
      return page + (long) vcpu * SharedInfoLayout.VCPU_INFO_SIZE;
    }

    @Override
    public int domid() {
      return domid;
    }

    @Override
    public int vcpus() {
      return vcpus;
    }

    @Override
    public long vcpuInfo(int vcpu) {
      return vcpu == missingInfo.get() ? -1 : info(vcpu);
    }

    @Override
    public long sharedInfo() {
      return page;
    }

    @Override
    public void upcall(int vcpu) {
      upcalls.incrementAndGet();
      Thread thread = sleeper;
      if (thread != null) {
        java.util.concurrent.locks.LockSupport.unpark(thread);
      }
    }

    @Override
    public void portPending(int port) {
      if (sleeper == null) {
        synchronized (portsTold) {
          portsTold.add(port);
        }
      }
    }
  }
}
