package dev.domus.device.contract;

import com.sun.management.ThreadMXBean;
import dev.domus.iommu.DmaPort;
import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.Bar;
import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceBus;
import dev.domus.kernel.device.Registers;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/**
 * What the kernel is to a device, without one: its registers, memory behind {@link SoftwareMemory},
 * interrupts that are counted, threads whose end is watched. Stores are taken on the caller's
 * thread, one at a time.
 *
 * <p>Who waits for the device waits by {@link #await}, which looks again whenever the device has
 * interrupted or changed a register, and each millisecond, because memory does not say when it is
 * written.
 */
public final class SoftwareBus implements DeviceBus, AutoCloseable {
  private static final RequesterId ID = RequesterId.of(0, 4, 0);
  private static final String WORKER = "device-";
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  /** How long a device may take for anything: much longer than any does. */
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(60);

  private final Device device;
  private final SoftwareMemory memory = new SoftwareMemory(ID);
  private final Map<Integer, Image> images = new HashMap<>();
  private final AtomicLongArray interrupts;
  private final List<Thread> workers = new CopyOnWriteArrayList<>();
  private final List<String> failures = new CopyOnWriteArrayList<>();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition change = lock.newCondition();
  private volatile int waiting;

  /** Plugs a device in: started and reset. */
  public SoftwareBus(Device device) {
    this.device = device;
    for (Bar bar : device.function().bars()) {
      images.put(bar.number(), new Image(bar.bytes()));
    }
    interrupts = new AtomicLongArray(device.function().vectors());
    device.start(this);
    device.reset();
  }

  // ---- software's side

  /** Memory. */
  public SoftwareMemory memory() {
    return memory;
  }

  /** The device's base-address regions. */
  public List<Bar> bars() {
    return device.function().bars();
  }

  /** Stores to a register. */
  public synchronized void store(int bar, long offset, int size, long value) {
    try {
      device.store(bar, offset, size, value);
    } catch (RuntimeException | Error thrown) {
      failures.add("store(%d, 0x%x, %d, 0x%x): %s".formatted(bar, offset, size, value, thrown));
      throw thrown;
    }
  }

  /** Loads a register. */
  public long load(int bar, long offset, int size) {
    return registers(bar).get(offset, size);
  }

  /** The registers of a region as they read now. */
  public long[] image(int bar) {
    return images.get(bar).words.clone();
  }

  /** Function-level reset, as between two owners: memory is out of reach while it is made. */
  public synchronized void reset() {
    memory.cut(true);
    device.reset();
    memory.cut(false);
  }

  /** How often the device raised a vector. */
  public long interrupts(int vector) {
    return interrupts.get(vector);
  }

  /** Whether it raised any vector. */
  public boolean anyInterrupt() {
    for (int vector = 0; vector < interrupts.length(); vector++) {
      if (interrupts.get(vector) != 0) {
        return true;
      }
    }
    return false;
  }

  /**
   * The thread that the device asked for by this name.
   *
   * @throws java.util.NoSuchElementException if there is none
   */
  public Thread worker(String name) {
    String full = WORKER + name;
    return workers.stream().filter(at -> at.getName().equals(full)).findAny().orElseThrow();
  }

  /** What the device's threads have allocated on the heap so far, in bytes. */
  public long allocatedByWorkers() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    return workers.stream().mapToLong(at -> threads.getThreadAllocatedBytes(at.threadId())).sum();
  }

  /** What the kernel would have taken the device off for. */
  public List<String> failures() {
    return List.copyOf(failures);
  }

  /**
   * Waits until something is so.
   *
   * @throws AssertionError if the device fails before, or it takes a minute
   */
  public void await(String what, BooleanSupplier condition) {
    long begin = System.nanoTime();
    lock.lock();
    waiting++;
    try {
      while (!condition.getAsBoolean()) {
        if (!failures.isEmpty() || System.nanoTime() - begin > PATIENCE_NANOS) {
          throw new AssertionError("%s does not happen; failures=%s".formatted(what, failures));
        }
        change.awaitNanos(LOOK_NANOS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted while waiting for " + what, e);
    } finally {
      waiting--;
      lock.unlock();
    }
  }

  /**
   * Unplugs the device.
   *
   * @throws AssertionError if it had failed, or its threads do not end
   */
  @Override
  public void close() {
    memory.cut(true);
    device.close();
    workers.forEach(Thread::interrupt);
    List<String> left = new ArrayList<>(failures);
    for (Thread worker : workers) {
      try {
        if (!worker.join(java.time.Duration.ofNanos(PATIENCE_NANOS))) {
          left.add("it does not end: " + worker.getName());
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    memory.close();
    if (!left.isEmpty()) {
      throw new AssertionError("the device has failed: " + left);
    }
  }

  /** Something changed that software can see. */
  private void changed() {
    VarHandle.fullFence(); // the change before the look at who waits
    if (waiting != 0) {
      lock.lock();
      try {
        change.signalAll();
      } finally {
        lock.unlock();
      }
    }
  }

  // ---- the device's side

  @Override
  public RequesterId requester() {
    return ID;
  }

  @Override
  public DmaPort dma() {
    return memory.port();
  }

  @Override
  public Registers registers(int bar) {
    Image image = images.get(bar);
    if (image == null) {
      throw new IllegalArgumentException("the function has no such BAR: bar=" + bar);
    }
    return image;
  }

  @Override
  public void interrupt(int vector) {
    interrupts.incrementAndGet(vector);
    changed();
  }

  @Override
  public void work(String name, Runnable task) {
    Thread worker =
        Thread.ofPlatform()
            .daemon()
            .name(WORKER + name)
            .unstarted(() -> {
              try {
                task.run();
              } catch (RuntimeException | Error thrown) {
                failures.add("%s threw %s".formatted(name, thrown));
                thrown.printStackTrace();
                changed();
              }
            });
    workers.add(worker);
    worker.start();
  }

  @Override
  public void fail(String reason) {
    failures.add(reason);
    changed();
  }

  private final class Image implements Registers {
    private static final VarHandle BYTE = ValueLayout.JAVA_BYTE.varHandle();
    private static final VarHandle SHORT = ValueLayout.JAVA_SHORT.varHandle();
    private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

    private final long[] words;
    private final MemorySegment bytes;

    Image(long size) {
      words = new long[Math.toIntExact(size / Long.BYTES)];
      bytes = MemorySegment.ofArray(words);
    }

    @Override
    public void set(long offset, int size, long value) {
      switch (size) {
        case 1 -> BYTE.setRelease(bytes, offset, (byte) value);
        case 2 -> SHORT.setRelease(bytes, offset, (short) value);
        case 4 -> INT.setRelease(bytes, offset, (int) value);
        case 8 -> LONG.setRelease(bytes, offset, value);
        default -> throw new IndexOutOfBoundsException("size of a register: size=" + size);
      }
      changed();
    }

    @Override
    public long get(long offset, int size) {
      return switch (size) {
        case 1 -> (byte) BYTE.getAcquire(bytes, offset) & 0xffL;
        case 2 -> (short) SHORT.getAcquire(bytes, offset) & 0xffffL;
        case 4 -> (int) INT.getAcquire(bytes, offset) & 0xffff_ffffL;
        case 8 -> (long) LONG.getAcquire(bytes, offset);
        default -> throw new IndexOutOfBoundsException("size of a register: size=" + size);
      };
    }

    @Override
    public void clear() {
      bytes.fill((byte) 0);
      changed();
    }
  }
}
