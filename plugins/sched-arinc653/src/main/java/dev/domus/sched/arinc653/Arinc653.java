package dev.domus.sched.arinc653;

import dev.domus.kernel.sched.CpuSet;
import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.sched.arinc653.FrameTable.Window;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * The ARINC 653 scheduler: who runs when is written down beforehand.
 *
 * <h2>Sources</h2>
 *
 * <p>ARINC Specification 653 Part 1, <em>Avionics Application Software Standard Interface</em>, the
 * chapter on partition management: a <em>major frame</em> of fixed length is repeated for ever, and
 * within it each partition has <em>windows</em> at fixed offsets. Xen has such a scheduler since
 * 4.1 (DornerWorks), for one pCPU. Written anew from the standard's rules.
 *
 * <h2>Design</h2>
 *
 * <p>The table ({@link FrameTable}) is a parameter of the pool, with a row for each pCPU. At each
 * moment the time since the first decision, modulo the frame, says whose window it is on each pCPU.
 * Whoever has the window may run; if it sleeps, or is not there, the pCPU idles until the window is
 * over or it wakes up: <em>what one partition does not use nobody gets</em>, so that no partition
 * can tell by its own time what others do. Weights, caps and yields mean nothing. There is no
 * default table: without one the scheduler refuses to start.
 *
 * <p>A vCPU that the table does not name never runs in this pool. The operator has said so, and the
 * kernel is told ({@link SchedUnit#mayWaitNanos}).
 *
 * <p>A pCPU may be late to come out of a window's vCPU, by what its engine needs. If the next
 * window of that vCPU is on another pCPU, that one waits for it and begins late; a window ends when
 * it ends.
 *
 * <p><b>Time</b> is the pool's, so a frame becomes longer on the wall clock when the host steals
 * time, and windows keep their proportions (see {@link Scheduler}). With several pCPUs the pool's
 * time is an average of theirs: on a host that robs one pCPU more than another, a window there may
 * give its vCPU less than its length.
 *
 * <h2>Cost</h2>
 *
 * <p>A decision is a binary search in a row; a wake-up one in each row that names the vCPU. The
 * number of vCPUs does not matter.
 */
final class Arinc653 implements Scheduler {
  /** A vCPU that waits for its window waits for less than a frame, and once more if it is late. */
  private static final int FRAMES_TO_WAIT = 2;

  private final SchedPool pool;
  private final long frameNanos;

  /** Where each window ends in the frame, by pCPU. */
  private final long[][] ends;

  /** Whose it is; null for idle: read by each decision. */
  private final Partition[][] owners;

  private final Map<Long, Partition> partitions = new HashMap<>();
  private final Partition unnamed = new Partition(new int[0]);
  private final CpuSet idle;
  private boolean began;
  private long beginNanos;

  Arinc653(SchedPool pool, FrameTable table) {
    this.pool = pool;
    this.frameNanos = table.frameNanos();
    this.idle = new CpuSet(pool.pcpus());
    this.ends = new long[pool.pcpus()][];
    this.owners = new Partition[pool.pcpus()][];
    Map<Long, TreeSet<Integer>> rowsOf = new HashMap<>();
    for (int pcpu = 0; pcpu < ends.length; pcpu++) {
      for (Window window : table.rows().get(pcpu)) {
        if (!window.isIdle()) {
          rowsOf
              .computeIfAbsent(key(window.domid(), window.vcpu()), k -> new TreeSet<>())
              .add(pcpu);
        }
      }
    }
    rowsOf.forEach((key, rows) ->
        partitions.put(key, new Partition(rows.stream().mapToInt(Integer::intValue).toArray())));
    for (int pcpu = 0; pcpu < ends.length; pcpu++) {
      List<Window> row = table.rows().get(pcpu);
      ends[pcpu] = row.stream().mapToLong(Window::toNanos).toArray();
      owners[pcpu] =
          row.stream()
              .map(window -> partitions.get(key(window.domid(), window.vcpu())))
              .toArray(Partition[]::new);
    }
  }

  private static long key(int domid, int vcpu) {
    return (long) domid << 32 | vcpu;
  }

  // ------------------------------------------------------------------ units come and go

  @Override
  public void insert(SchedUnit unit, long nowNanos) {
    Partition partition = partitions.getOrDefault(key(unit.domid(), unit.vcpu()), unnamed);
    if (partition != unnamed) {
      partition.arrive(unit);
    }
    unit.data(partition);
    adjust(unit, nowNanos);
  }

  @Override
  public void remove(SchedUnit unit, long nowNanos) {
    ((Partition) unit.data()).leave();
    unit.data(null);
  }

  @Override
  public void adjust(SchedUnit unit, long nowNanos) {
    Partition partition = (Partition) unit.data();
    boolean everRuns = false;
    for (int pcpu : partition.rows) {
      everRuns |= unit.affinity().contains(pcpu);
    }
    unit.mayWaitNanos(everRuns ? FRAMES_TO_WAIT * frameNanos : Long.MAX_VALUE);
    tickleWhereDue(partition, nowNanos);
  }

  @Override
  public void wake(SchedUnit unit, long nowNanos) {
    tickleWhereDue((Partition) unit.data(), nowNanos);
  }

  @Override
  public void sleep(SchedUnit unit, long nowNanos) {}

  // ------------------------------------------------------------------ the decision

  @Override
  public void pick(int pcpu, long nowNanos, Decision decision) {
    idle.remove(pcpu);
    int window = windowAt(pcpu, nowNanos);
    long left = ends[pcpu][window] - offset(nowNanos);
    if (left < Decision.MIN_SLICE_NANOS) { // what is left of it is not worth a switch
      window = window + 1 == ends[pcpu].length ? 0 : window + 1;
      left += ends[pcpu][window] - (window == 0 ? 0 : ends[pcpu][window - 1]);
    }
    Partition owner = owners[pcpu][window];
    if (owner != null && owner.canRunOn(pcpu)) {
      decision.run(owner.unit(), Math.min(left, Decision.MAX_SLICE_NANOS));
    } else {
      idle.add(pcpu);
      decision.idleUntil(nowNanos + left);
    }
  }

  @Override
  public void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos) {
    tickleWhereDue((Partition) unit.data(), nowNanos);
  }

  private void tickleWhereDue(Partition partition, long nowNanos) {
    for (int pcpu : partition.rows) {
      if (idle.contains(pcpu)
          && owners[pcpu][windowAt(pcpu, nowNanos)] == partition
          && partition.canRunOn(pcpu)) {
        idle.remove(pcpu);
        pool.tickle(pcpu);
      }
    }
  }

  private long offset(long nowNanos) {
    if (!began) {
      began = true;
      beginNanos = nowNanos;
    }
    return (nowNanos - beginNanos) % frameNanos;
  }

  private int windowAt(int pcpu, long nowNanos) {
    long[] row = ends[pcpu];
    long offset = offset(nowNanos);
    int low = 0;
    int high = row.length - 1;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (offset < row[middle]) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }
}
