package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.Decision;

/**
 * The host thread of a pCPU. If a scheduler hangs in it, the pCPU gets a new one and this one is
 * left behind; so what plugin code has in its hands meanwhile is here and not in {@link Pcpu}.
 */
final class PcpuThread extends Thread {
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
    }
  }
}
