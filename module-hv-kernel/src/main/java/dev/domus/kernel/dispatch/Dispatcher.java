package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/**
 * All pools of the machine, and their watchdog.
 *
 * <p>Thread-safe. Closing it stops every pCPU.
 */
public final class Dispatcher implements AutoCloseable {
  /** How many faults are remembered. */
  private static final int HISTORY = 64;

  private final PcpuClock clock;
  private final DispatchLimits limits;
  private final List<Pool> pools = new CopyOnWriteArrayList<>();
  private final List<Consumer<SchedulerFault>> listeners = new CopyOnWriteArrayList<>();
  private final Queue<SchedulerFault> undelivered = new ConcurrentLinkedQueue<>();
  private final List<SchedulerFault> faults = new ArrayList<>(); // guarded by itself
  private final Thread watchdog;
  private volatile boolean closed;

  /** A dispatcher in real time, with the default limits. */
  public Dispatcher() {
    this(PcpuClock.REAL, DispatchLimits.DEFAULT);
  }

  /** A dispatcher with a clock and limits of its own. */
  public Dispatcher(PcpuClock clock, DispatchLimits limits) {
    this.clock = clock;
    this.limits = limits;
    this.watchdog = new Thread(new Watchdog(this, limits), "sched-watchdog");
    watchdog.setDaemon(true);
    watchdog.start();
  }

  /**
   * Makes a pool and starts its pCPUs.
   *
   * @param name for users; unique
   * @param pcpus how many pCPUs, at least 1
   * @param factory its first scheduler
   * @param given the scheduler's parameters, name to text
   * @throws IllegalArgumentException if an argument is wrong; whatever the scheduler's {@code
   *     create} throws
   */
  public synchronized Pool createPool(
      String name, int pcpus, SchedulerFactory factory, Map<String, String> given) {
    if (closed) {
      throw new IllegalStateException("the dispatcher is closed");
    }
    if (pcpus < 1) {
      throw new IllegalArgumentException("a pool needs a pCPU: pool=%s".formatted(name));
    }
    if (pool(name).isPresent()) {
      throw new IllegalArgumentException("there is a pool of that name: pool=" + name);
    }
    SchedParameters values = SchedParameters.check(factory, given);
    Pool pool = new Pool(this, name, pcpus, factory, values, limits);
    pool.start();
    pools.add(pool);
    return pool;
  }

  /** The pool of that name. */
  public Optional<Pool> pool(String name) {
    return pools.stream().filter(pool -> pool.name().equals(name)).findFirst();
  }

  /** All pools, in the order in which they were made. */
  public List<Pool> pools() {
    return pools;
  }

  /** The clock of all pCPUs. */
  public PcpuClock clock() {
    return clock;
  }

  /**
   * Hears of faults, soon after they have happened and the pool goes on. Called by the watchdog's
   * thread; should return quickly.
   */
  public void addFaultListener(Consumer<SchedulerFault> listener) {
    listeners.add(listener);
  }

  /** The last faults, oldest first. */
  public List<SchedulerFault> faults() {
    synchronized (faults) {
      return List.copyOf(faults);
    }
  }

  /** From wherever a fault is found, with the pool's lock. */
  void report(SchedulerFault fault) {
    synchronized (faults) {
      if (faults.size() == HISTORY) {
        faults.removeFirst();
      }
      faults.add(fault);
    }
    undelivered.add(fault);
  }

  void deliverFaults() {
    for (SchedulerFault fault; (fault = undelivered.poll()) != null; ) {
      for (Consumer<SchedulerFault> listener : listeners) {
        try {
          listener.accept(fault);
        } catch (RuntimeException e) { // a listener's, which must not stop the watchdog
          System.getLogger(Dispatcher.class.getName())
              .log(System.Logger.Level.WARNING, "fault listener failed on: " + fault, e);
        }
      }
    }
  }

  boolean closed() {
    return closed;
  }

  /** Stops all pCPUs and waits for them, whatever they run. */
  @Override
  public void close() {
    synchronized (this) {
      if (closed) {
        return;
      }
      pools.forEach(Pool::close);
      closed = true;
    }
    boolean interrupted = false;
    while (watchdog.isAlive()) {
      try {
        watchdog.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
