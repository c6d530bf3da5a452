package dev.domus.kernel.domctl;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.dispatch.DispatchUnit;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.dispatch.Pool;
import dev.domus.kernel.dispatch.SwapReport;
import dev.domus.kernel.host.Faults;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.service.HypercallException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;

/**
 * The cpupools as toolstacks know them: by a number that stays theirs, and also while they have no
 * pCPU, as they are on Xen when they are new. To the dispatcher a pool is the pCPU threads that
 * serve it, so one without is kept here alone: what it is called, its scheduler and that one's
 * parameters. The dispatcher's pool is made with the first pCPU and taken down with the last.
 *
 * <p>Pools that were made at the dispatcher, as the machine's first one is, get the next number
 * when they are first seen here.
 *
 * <h2>Locking</h2>
 *
 * <p>One change of any pool at a time, and none while a domain is made, so that no vCPU enters a
 * pool that is being taken down. A change waits until pCPUs have come home, so no pCPU's thread may
 * wait for the lock: a guest's hypercall only tries it ({@link #tryLock}) and is made again, and
 * what has to wait is done by an {@link Errands} thread.
 */
final class Cpupools {
  /** Any number, or any pCPU. */
  static final int ANY = -1;

  private static final int MOST = 1 << 16;

  private final Dispatcher dispatcher;
  private final ReentrantLock lock = new ReentrantLock();
  private final TreeMap<Integer, Cpupool> byId = new TreeMap<>(); // guarded by itself

  Cpupools(Dispatcher dispatcher) {
    this.dispatcher = dispatcher;
  }

  /** One of them. */
  static final class Cpupool {
    private final int id;
    private final int granularity;
    private volatile String name;
    private volatile SchedulerFactory scheduler;
    private volatile Map<String, String> parameters;
    private volatile Optional<Pool> pool;

    /** Its last pCPU is being taken away: the dispatcher may have forgotten it already. */
    private volatile boolean emptying;

    private Cpupool(
        int id,
        String name,
        int granularity,
        SchedulerFactory scheduler,
        Map<String, String> parameters,
        Optional<Pool> pool) {
      this.id = id;
      this.granularity = granularity;
      this.name = name;
      this.scheduler = scheduler;
      this.parameters = parameters;
      this.pool = pool;
    }

    int id() {
      return id;
    }

    /** How many pCPUs make a core of it; 1 where each is for itself. */
    int granularity() {
      return granularity;
    }

    String name() {
      return pool.map(Pool::name).orElse(name);
    }

    /** The scheduler that decides there, or will when there are pCPUs. */
    SchedulerFactory scheduler() {
      return pool.map(Pool::scheduler).orElse(scheduler);
    }

    Map<String, String> parameters() {
      return pool.map(served -> served.parameters().asMap()).orElse(parameters);
    }

    /** The numbers of its pCPUs, ascending. */
    int[] pcpus() {
      return pool.map(Pool::numbers).orElseGet(() -> new int[0]);
    }

    /** The dispatcher's pool, if it has pCPUs. */
    Optional<Pool> pool() {
      return pool;
    }
  }

  // ---- the lock

  /** Takes the lock. Not for pCPUs' threads. */
  void lock() {
    lock.lock();
  }

  /** Takes the lock if nobody has it. */
  boolean tryLock() {
    return lock.tryLock();
  }

  void unlock() {
    lock.unlock();
  }

  // ---- looking

  /** All, by number. */
  List<Cpupool> all() {
    synchronized (byId) {
      List<Pool> served = dispatcher.pools();
      byId.values()
          .removeIf(known ->
              known.pool.isPresent() && !known.emptying && !served.contains(known.pool.get()));
      served.forEach(this::adopt);
      return new ArrayList<>(byId.values());
    }
  }

  private void adopt(Pool pool) {
    for (Cpupool known : byId.values()) {
      if (known.pool.isPresent() ? known.pool.get() == pool : known.name.equals(pool.name())) {
        known.pool = Optional.of(pool); // in the latter case it has just got its first pCPU
        return;
      }
    }
    enter(
        ANY,
        pool.name(),
        pool.granularity(),
        pool.scheduler(),
        pool.parameters().asMap(),
        Optional.of(pool));
  }

  Cpupool byName(String name) {
    return all().stream()
        .filter(known -> known.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new HypercallException(Errno.ENOENT, "no such cpupool: pool=" + name));
  }

  Cpupool byId(int id) {
    return all().stream()
        .filter(known -> known.id == id)
        .findFirst()
        .orElseThrow(() -> new HypercallException(Errno.ENOENT, "no such cpupool: id=" + id));
  }

  /** The one in which a domain's vCPUs are. */
  Cpupool of(Pool pool) {
    return byName(pool.name());
  }

  // ---- changes, with the lock

  /**
   * Makes one without pCPUs.
   *
   * @param id a number, or {@link #ANY} for the next
   * @param name empty for {@code Pool-} and the number
   * @param granularity how many pCPUs make a core
   */
  Cpupool create(
      int id,
      String name,
      int granularity,
      SchedulerFactory scheduler,
      Map<String, String> parameters) {
    synchronized (byId) {
      List<Cpupool> known = all();
      refuse(
          known.stream().anyMatch(other -> other.id == id),
          Errno.EEXIST,
          "there is a cpupool of that number: id=" + id);
      requireNewName(name);
      Cpupool made = enter(id, name, granularity, scheduler, parameters, Optional.empty());
      if (name.isEmpty()) {
        made.name = "Pool-" + made.id;
      }
      return made;
    }
  }

  private Cpupool enter(
      int wanted,
      String name,
      int granularity,
      SchedulerFactory scheduler,
      Map<String, String> parameters,
      Optional<Pool> pool) {
    int id = wanted;
    if (wanted == ANY) {
      id = 0;
      while (byId.containsKey(id)) {
        id++;
      }
    }
    refuse(id < 0 || id >= MOST, Errno.EINVAL, "number of a cpupool out of range: id=" + id);
    Cpupool made = new Cpupool(id, name, granularity, scheduler, parameters, pool);
    byId.put(id, made);
    return made;
  }

  private void requireNewName(String name) {
    refuse(
        all().stream().anyMatch(other -> other.name().equals(name)),
        Errno.EEXIST,
        "there is a cpupool of that name: pool=" + name);
  }

  void rename(Cpupool cpupool, String newName) {
    if (!cpupool.name().equals(newName)) {
      requireNewName(newName);
      cpupool.pool.ifPresent(pool -> dispatcher.renamePool(pool, newName));
      cpupool.name = newName;
    }
  }

  /** Forgets one that has no pCPUs. */
  void destroy(Cpupool cpupool) {
    refuse(
        cpupool.pool.isPresent(),
        Errno.EBUSY,
        "the cpupool has pCPUs; take them away first: pool=" + cpupool.name());
    synchronized (byId) {
      byId.remove(cpupool.id);
    }
  }

  /** Gives one a free pCPU, and its core with it. Returns what it cost, if guests were held. */
  Optional<SwapReport> addPcpu(Cpupool cpupool, int wanted) {
    int[] free = dispatcher.freePcpus();
    refuse(wanted == ANY && free.length == 0, Errno.ENOENT, "no pCPU is free");
    int pcpu = wanted == ANY ? free[0] : wanted;
    refuse(
        pcpu < 0 || pcpu >= dispatcher.pcpus(),
        Errno.EINVAL,
        "no such pCPU: pcpu=%d, the machine has 0 to %d".formatted(pcpu, dispatcher.pcpus() - 1));
    refuse(
        Arrays.binarySearch(free, pcpu) < 0,
        Errno.ENODEV,
        "the pCPU is in a cpupool; take it from there first: pcpu=" + pcpu);
    int[] core = requireFreeCore(pcpu, cpupool, free);
    if (cpupool.pool.isPresent()) {
      return Optional.of(settled(dispatcher.addPcpu(cpupool.pool.get(), pcpu)));
    }
    try {
      cpupool.pool =
          Optional.of(
              dispatcher.createPool(
                  cpupool.name, core, cpupool.granularity, cpupool.scheduler, cpupool.parameters));
    } catch (IllegalArgumentException refused) {
      throw new HypercallException(Errno.EINVAL, refused.getMessage());
    } catch (Throwable fault) { // a scheduler's, of any kind
      Faults.rethrowIfOurs(fault);
      throw new HypercallException(
          Errno.EINVAL,
          "scheduler %s failed: %s".formatted(cpupool.scheduler.name(), Faults.inOneLine(fault)));
    }
    return Optional.empty();
  }

  /** The pCPUs of a free one's core. */
  private int[] requireFreeCore(int pcpu, Cpupool cpupool, int[] free) {
    int first = pcpu - pcpu % cpupool.granularity;
    int[] core = IntStream.range(first, first + cpupool.granularity).toArray();
    for (int each : core) {
      String message =
          "pCPU %d shares a core with pCPU %d, which %s: granularity=%d pool=%s"
              .formatted(
                  pcpu,
                  each,
                  each < dispatcher.pcpus() ? "is in a cpupool" : "the machine has not",
                  cpupool.granularity,
                  cpupool.name());
      refuse(each >= dispatcher.pcpus(), Errno.EINVAL, message);
      refuse(Arrays.binarySearch(free, each) < 0, Errno.ENODEV, message);
    }
    return core;
  }

  /**
   * Takes a pCPU from one, and its core with it; the last only where no vCPU is.
   *
   * @param vcpus how many there are, those included of which its scheduler has not heard yet
   */
  Optional<SwapReport> removePcpu(Cpupool cpupool, int wanted, int vcpus) {
    int[] own = cpupool.pcpus();
    refuse(own.length == 0, Errno.EINVAL, "the cpupool has no pCPU: pool=" + cpupool.name());
    int pcpu = wanted == ANY ? own[own.length - 1] : wanted;
    refuse(
        Arrays.binarySearch(own, pcpu) < 0,
        Errno.EINVAL,
        "the pCPU is not in the cpupool: pcpu=%d pool=%s".formatted(pcpu, cpupool.name()));
    Pool pool = cpupool.pool.orElseThrow();
    if (own.length > cpupool.granularity) {
      return Optional.of(settled(dispatcher.removePcpu(pool, pcpu)));
    }
    refuse(
        vcpus != 0,
        Errno.EBUSY,
        "the pCPU is the last, and there are vCPUs; move their domains first: pool=%s vcpus=%d"
            .formatted(pool.name(), vcpus));
    cpupool.name = pool.name();
    cpupool.scheduler = pool.scheduler();
    cpupool.parameters = pool.parameters().asMap();
    cpupool.emptying = true;
    try {
      dispatcher.destroyPool(pool);
      cpupool.pool = Optional.empty();
    } catch (IllegalArgumentException inUse) {
      throw new HypercallException(Errno.EBUSY, inUse.getMessage());
    } finally {
      cpupool.emptying = false;
    }
    return Optional.empty();
  }

  /** Moves units to another, and returns when all are there. */
  void move(List<DispatchUnit> units, Cpupool target) {
    Pool pool =
        target.pool.orElseThrow(() ->
            new HypercallException(
                Errno.EBUSY, "the cpupool has no pCPU; give it one first: pool=" + target.name()));
    dispatcher.move(units, pool);
  }

  /** Throws if a scheduler would not have it. */
  static SwapReport settled(SwapReport report) {
    report
        .refusal()
        .ifPresent(why -> {
          throw new HypercallException(
              Errno.EOPNOTSUPP,
              "pool %s still runs %s, %s was refused: %s"
                  .formatted(report.pool(), report.from(), report.to(), why));
        });
    return report;
  }

  private static void refuse(boolean wrong, int errno, String message) {
    if (wrong) {
      throw new HypercallException(errno, message);
    }
  }
}
