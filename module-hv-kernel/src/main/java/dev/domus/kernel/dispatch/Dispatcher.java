package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.trace.ring.Tracer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * All pools of the machine, and their watchdog.
 *
 * <p>Thread-safe. Closing it stops every pCPU.
 */
public final class Dispatcher implements AutoCloseable {
  /** How many faults are remembered. */
  private static final int HISTORY = 64;

  /** The most pCPUs of a core. */
  public static final int MAX_GRANULARITY = 64;

  private final PcpuClock clock;
  private final DispatchLimits limits;
  private final Tracer tracer;
  private final List<Pool> pools = new CopyOnWriteArrayList<>();
  private final List<Consumer<SchedulerFault>> listeners = new CopyOnWriteArrayList<>();
  private final Queue<SchedulerFault> undelivered = new ConcurrentLinkedQueue<>();
  private final List<SchedulerFault> faults = new ArrayList<>(); // guarded by itself
  private final Thread watchdog;
  private volatile IdleWork idleWork = IdleWork.NONE;

  // Guarded by this: which pCPUs are in a pool, and how many the machine has.
  private final BitSet used = new BitSet();
  private volatile int known;
  private volatile boolean closed;

  /** A dispatcher in real time, with the default limits. */
  public Dispatcher() {
    this(PcpuClock.REAL, DispatchLimits.DEFAULT);
  }

  /** A dispatcher with a clock and limits of its own. */
  public Dispatcher(PcpuClock clock, DispatchLimits limits) {
    this.clock = clock;
    this.limits = limits;
    this.tracer = new Tracer(clock::nanoTime);
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
  public Pool createPool(
      String name, int pcpus, SchedulerFactory factory, Map<String, String> given) {
    return createPool(name, pcpus, 1, factory, given);
  }

  /**
   * Makes a pool of cores and starts their pCPUs.
   *
   * @param name for users; unique
   * @param pcpus how many pCPUs, a multiple of {@code granularity}
   * @param granularity how many pCPUs make a core ({@link Pool#granularity}); 1 for none
   * @param factory its first scheduler
   * @param given the scheduler's parameters, name to text
   * @throws IllegalArgumentException if an argument is wrong; whatever the scheduler's {@code
   *     create} throws
   */
  public synchronized Pool createPool(
      String name,
      int pcpus,
      int granularity,
      SchedulerFactory factory,
      Map<String, String> given) {
    requireGranularity(granularity);
    if (pcpus % granularity != 0) {
      throw new IllegalArgumentException(
          "a pool whose cores have %d pCPUs each has a multiple of that: pool=%s pcpus=%d"
              .formatted(granularity, name, pcpus));
    }
    int[] numbers = new int[Math.max(0, pcpus)];
    for (int i = 0, first = 0; i < pcpus; first += granularity) {
      int end = first + granularity;
      int nextUsed = used.nextSetBit(first);
      if (nextUsed < 0 || nextUsed >= end) {
        for (int number = first; number < end; number++) {
          numbers[i++] = number;
        }
      }
    }
    return createPool(name, numbers, granularity, factory, given);
  }

  private static void requireGranularity(int granularity) {
    if (granularity < 1 || granularity > MAX_GRANULARITY) {
      throw new IllegalArgumentException(
          "a core has 1 to %d pCPUs: granularity=%d".formatted(MAX_GRANULARITY, granularity));
    }
  }

  /**
   * Makes a pool of certain pCPUs and starts them.
   *
   * @param name for users; unique
   * @param pcpus the machine's numbers, at least one, none in another pool; a machine has as many
   *     as are ever named
   * @param factory its first scheduler
   * @param given the scheduler's parameters, name to text
   * @throws IllegalArgumentException if an argument is wrong; whatever the scheduler's {@code
   *     create} throws
   */
  public Pool createPool(
      String name, int[] pcpus, SchedulerFactory factory, Map<String, String> given) {
    return createPool(name, pcpus, 1, factory, given);
  }

  /**
   * Makes a pool of certain cores and starts their pCPUs.
   *
   * @param name for users; unique
   * @param pcpus the machine's numbers, at least one, none in another pool, all of each core: core
   *     <i>c</i> is pCPUs <i>c</i> × {@code granularity} and those that follow
   * @param granularity how many pCPUs make a core ({@link Pool#granularity}); 1 for none
   * @param factory its first scheduler
   * @param given the scheduler's parameters, name to text
   * @throws IllegalArgumentException if an argument is wrong; whatever the scheduler's {@code
   *     create} throws
   */
  public synchronized Pool createPool(
      String name,
      int[] pcpus,
      int granularity,
      SchedulerFactory factory,
      Map<String, String> given) {
    requireGranularity(granularity);
    if (closed) {
      throw new IllegalStateException("the dispatcher is closed");
    }
    if (pcpus.length == 0) {
      throw new IllegalArgumentException("a pool needs a pCPU: pool=%s".formatted(name));
    }
    requireNewName(name);
    if (clock.isVirtual() && (pcpus.length > 1 || known > 0)) {
      throw new IllegalArgumentException(
          "a deterministic machine has one pCPU, and cannot have pool %s of %d more"
              .formatted(name, pcpus.length));
    }
    for (int pcpu : pcpus) {
      if (used.get(pcpu)) {
        throw new IllegalArgumentException(
            "pCPU %d is in pool %s".formatted(pcpu, poolOf(pcpu).name()));
      }
    }
    SchedParameters values = SchedParameters.check(factory, given);
    int[] numbers = Arrays.stream(pcpus).sorted().distinct().toArray();
    requireWholeCores(name, numbers, granularity);
    Pool pool = new Pool(this, name, numbers, granularity, factory, values, limits);
    pool.start();
    pools.add(pool);
    Arrays.stream(numbers).forEach(used::set);
    known = Math.max(known, used.length());
    return pool;
  }

  private static void requireWholeCores(String name, int[] numbers, int granularity) {
    for (int pcpu : numbers) {
      for (int other : coreOf(pcpu, granularity)) {
        if (Arrays.binarySearch(numbers, other) < 0) {
          throw new IllegalArgumentException(
              "a pool has whole cores, and pCPU %d shares one with pCPU %d: granularity=%d pool=%s pcpus=%s"
                  .formatted(pcpu, other, granularity, name, Arrays.toString(numbers)));
        }
      }
    }
  }

  /** The pCPUs of one's core, itself included. */
  private static int[] coreOf(int pcpu, int granularity) {
    int first = pcpu - pcpu % granularity;
    return IntStream.range(first, first + granularity).toArray();
  }

  private void requireNewName(String name) {
    if (pool(name).isPresent()) {
      throw new IllegalArgumentException("there is a pool of that name: pool=" + name);
    }
  }

  private Pool poolOf(int pcpu) {
    return pools.stream()
        .filter(pool -> Arrays.binarySearch(pool.numbers(), pcpu) >= 0)
        .findFirst()
        .orElseThrow();
  }

  /** How many pCPUs the machine has, in pools or not; they are numbered from 0. */
  public int pcpus() {
    return known;
  }

  /** The numbers of the pCPUs that are in no pool. */
  public synchronized int[] freePcpus() {
    return IntStream.range(0, known).filter(pcpu -> !used.get(pcpu)).toArray();
  }

  /**
   * Gives a pool a new name.
   *
   * @throws IllegalArgumentException if another has it
   */
  public synchronized void renamePool(Pool pool, String newName) {
    if (!pool.name().equals(newName)) {
      requireNewName(newName);
      pool.rename(newName);
    }
  }

  /**
   * Gives a pool another pCPU, while its guests run; a pool of cores the whole core.
   *
   * @param pcpu the number of a free one
   * @return what it cost; refused, and nothing changed, if the scheduler cannot work with it
   * @throws IllegalArgumentException if there is no such pCPU or it is in a pool
   */
  public synchronized SwapReport addPcpu(Pool pool, int pcpu) {
    if (pcpu < 0 || pcpu >= known) {
      throw new IllegalArgumentException(
          "no such pCPU: pcpu=%d, the machine has 0 to %d".formatted(pcpu, known - 1));
    }
    int[] core = coreOf(pcpu, pool.granularity());
    for (int each : core) {
      if (used.get(each)) {
        throw new IllegalArgumentException(
            "pCPU %d is in pool %s".formatted(each, poolOf(each).name()));
      }
      if (each >= known) {
        throw new IllegalArgumentException(
            "pCPU %d shares its core with pCPU %d, which the machine has not: pool=%s granularity=%d"
                .formatted(pcpu, each, pool.name(), pool.granularity()));
      }
    }
    SwapReport report =
        pool.resize(
            IntStream.concat(Arrays.stream(pool.numbers()), Arrays.stream(core))
                .sorted()
                .toArray());
    if (report.swapped()) {
      Arrays.stream(core).forEach(used::set);
    }
    return report;
  }

  /**
   * Takes a pCPU from a pool, while its guests run; from a pool of cores the whole core. Units that
   * may run nowhere else in the pool may then run everywhere in it.
   *
   * @return what it cost; refused, and nothing changed, if the scheduler cannot work without
   * @throws IllegalArgumentException if it is not in the pool, or the pool's last
   */
  public synchronized SwapReport removePcpu(Pool pool, int pcpu) {
    int[] numbers = pool.numbers();
    if (Arrays.binarySearch(numbers, pcpu) < 0) {
      throw new IllegalArgumentException("pCPU %d is not in pool %s".formatted(pcpu, pool.name()));
    }
    int[] core = coreOf(pcpu, pool.granularity());
    if (numbers.length == core.length) {
      throw new IllegalArgumentException(
          "pCPU %d is %s of pool %s; destroy the pool instead"
              .formatted(pcpu, core.length == 1 ? "the last" : "in the last core", pool.name()));
    }
    SwapReport report =
        pool.resize(
            Arrays.stream(numbers)
                .filter(number -> number < core[0] || number > core[core.length - 1])
                .toArray());
    if (report.swapped()) {
      Arrays.stream(core).forEach(used::clear);
    }
    return report;
  }

  /**
   * Takes a pool down; its pCPUs are free again.
   *
   * @throws IllegalArgumentException if vCPUs are in it, or it is the only one
   */
  public synchronized void destroyPool(Pool pool) {
    int vcpus = pool.snapshot().stream().mapToInt(DispatchUnit::vcpus).sum();
    if (vcpus != 0) {
      throw new IllegalArgumentException(
          "pool %s has %d vCPUs; move their domains first".formatted(pool.name(), vcpus));
    }
    if (pools.size() == 1) {
      throw new IllegalArgumentException("pool %s is the only one".formatted(pool.name()));
    }
    pools.remove(pool);
    pool.close();
    Arrays.stream(pool.numbers()).forEach(used::clear);
  }

  /**
   * Moves units to another pool while they run, and returns when all are there. Where the pool has
   * no pCPU of a unit's affinity, the unit may run everywhere in it.
   *
   * @throws IllegalStateException on the pCPU thread that runs one of them
   */
  public synchronized void move(List<DispatchUnit> units, Pool target) {
    target.whileUnchanged(() -> {
      for (DispatchUnit unit : units) {
        Pool from = unit.pool();
        if (from != target) {
          from.whileUnchanged(() -> unit.moveTo(target));
        }
      }
    });
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

  /** The trace of all pools, and of whatever else happens on the machine; off at first. */
  public Tracer tracer() {
    return tracer;
  }

  /** Sets what pCPUs do while they have nothing to run. */
  public void setIdleWork(IdleWork work) {
    idleWork = work;
  }

  /** Says that there may be idle work again: one idle pCPU of each pool looks. */
  public void offerIdleWork() {
    pools.forEach(Pool::wakeOneIdle);
  }

  IdleWork idleWork() {
    return idleWork;
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
    tracer.schedFault(fault.kind().ordinal(), fault.pool(), fault.scheduler());
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
