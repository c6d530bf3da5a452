package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.kernel.trace.ring.TracedThread;

/**
 * The host thread of a pCPU. If a scheduler hangs in it, the pCPU gets a new one and this one is
 * left behind; so what plugin code has in its hands meanwhile is here and not in {@link Pcpu}.
 */
final class PcpuThread extends TracedThread {
  /** The pCPU that decides, this one or its core's leader. */
  final Pcpu cpu;

  final Decision decision = new Decision();

  /** Set before the thread runs anything. */
  RunMeter meter;

  /** pCPUs tickled under the lock, to be kicked after its release: of one seat at a time. */
  private final Pcpu[] toKick;

  private int toKickCount;

  private final int number;

  /** What it serves of a core, or null if it is no core. */
  private final Place place;

  /** The thread of a pCPU that decides. */
  PcpuThread(Pcpu cpu) {
    this(cpu, cpu.core == null ? null : cpu.core.places[0], cpu.number);
  }

  /** The thread of one that does what its core's leader has decided. */
  PcpuThread(Pcpu leader, Place place) {
    this(leader, place, place.number);
  }

  private PcpuThread(Pcpu cpu, Place place, int number) {
    super("pcpu-" + number);
    this.cpu = cpu;
    this.place = place;
    this.number = number;
    this.toKick = new Pcpu[cpu.seat.pool.pcpus()];
    setDaemon(true);
  }

  @Override
  public int pcpu() {
    return number;
  }

  @Override
  public int currentVcpu() {
    DispatchUnit unit = place == null ? cpu.current : place.current();
    return unit == null ? -1 : TraceRecord.vcpuKey(unit.domid(), unit.vcpu());
  }

  /** Whether it is in the middle of running a unit, alone or together with others. */
  boolean runs(DispatchUnit unit) {
    return unit.isPart() ? place != null && place.current() == unit : unit.on == cpu;
  }

  void kickLater(Pcpu other) {
    toKick[toKickCount++] = other;
  }

  void kickTickled() {
    for (int i = 0; i < toKickCount; i++) {
      toKick[i].kick();
      toKick[i] = null;
    }
    toKickCount = 0;
  }

  @Override
  public void run() {
    try {
      PcpuClock clock = cpu.seat.clock;
      if (place == null) {
        meter = new RunMeter(clock.cpuTime(), clock.nanoTime());
        cpu.loop(this);
      } else {
        place.adopt(this);
        if (place.isLeaders()) {
          meter = new RunMeter(cpu.core.time(), clock.nanoTime());
          cpu.loop(this);
        } else {
          place.loop();
        }
      }
    } catch (PoolLock.Abandoned e) {
      // The watchdog gave this thread up; the pCPU runs on in another.
    } finally {
      leaveTrace();
    }
  }
}
