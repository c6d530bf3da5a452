package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.kernel.trace.ring.TracedThread;

/**
 * The host thread of a pCPU. If a scheduler hangs in it, the pCPU gets a new one and this one is
 * left behind; so what plugin code has in its hands meanwhile is here and not in {@link Pcpu}.
 */
final class PcpuThread extends TracedThread {
  final Pcpu cpu;
  final Decision decision = new Decision();

  /** Set before the thread runs anything. */
  RunMeter meter;

  /** pCPUs tickled under the lock, to be kicked after its release: of one seat at a time. */
  private final Pcpu[] toKick;

  private int toKickCount;

  PcpuThread(Pcpu cpu) {
    super("pcpu-" + cpu.number);
    this.cpu = cpu;
    this.toKick = new Pcpu[cpu.seat.pool.pcpus()];
    setDaemon(true);
  }

  @Override
  public int pcpu() {
    return cpu.number;
  }

  @Override
  public int currentVcpu() {
    DispatchUnit unit = cpu.current;
    return unit == null ? -1 : TraceRecord.vcpuKey(unit.domid(), unit.vcpu());
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
      meter = new RunMeter(cpu.seat.clock.cpuTime(), cpu.seat.clock.nanoTime());
      cpu.loop(this);
    } catch (PoolLock.Abandoned e) {
      // The watchdog gave this thread up; the pCPU runs on in another.
    } finally {
      leaveTrace();
    }
  }
}
