package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.CpuMask;

/**
 * The pCPUs of one run queue, or the leaders of its cores, and their threads: starting, sending
 * home, waking. Has two numberings: the machine's, for people, and positions from 0, for the
 * scheduler. Thread-safe; the set itself never changes.
 */
final class PcpuSet {
  private final Pcpu[] cpus;
  private final int[] numbers;

  /** The pCPUs of a seat by the machine's numbers; not started. */
  PcpuSet(Seat seat, int[] numbers) {
    this.numbers = numbers;
    this.cpus = new Pcpu[numbers.length];
    for (int i = 0; i < numbers.length; i++) {
      cpus[i] = new Pcpu(seat, i, numbers[i]);
    }
  }

  /** By position. */
  Pcpu[] all() {
    return cpus;
  }

  /** The machine's numbers. */
  int[] numbers() {
    return numbers;
  }

  int size() {
    return cpus.length;
  }

  void start() {
    for (Pcpu cpu : cpus) {
      cpu.start();
    }
  }

  /** Starts those that have gone home. With the seat's lock. */
  void startMissing() {
    for (Pcpu cpu : cpus) {
      if (cpu.home) {
        cpu.home = false;
        cpu.start();
      }
    }
  }

  void kickAll() {
    for (Pcpu cpu : cpus) {
      cpu.kick();
    }
  }

  /**
   * Waits until all have gone home.
   *
   * @return whether that happened in time
   */
  boolean awaitGone(long patienceNanos) {
    long start = System.nanoTime();
    for (Pcpu cpu : cpus) {
      if (!cpu.join(patienceNanos - (System.nanoTime() - start))) {
        return false;
      }
    }
    return true;
  }

  /** Makes one look into the mailbox: an idle one, the preferred one first; else one that runs. */
  void kickOne(Seat seat, int preferredNumber) {
    int preferred = position(preferredNumber);
    if (preferred >= 0 && cpus[preferred].wakeIfIdle() || wakeIdle(CpuMask.ALL)) {
      return;
    }
    // All busy. A pCPU that posts will soon be here anyway; else interrupt the unit's last one.
    if (Thread.currentThread() instanceof PcpuThread thread && thread.cpu.seat == seat) {
      thread.cpu.kick();
    } else {
      cpus[Math.max(0, preferred)].kick();
    }
  }

  /** Wakes an idle one of those in a mask, in the machine's numbers; false if there is none. */
  boolean wakeIdle(CpuMask affinity) {
    for (Pcpu cpu : cpus) {
      if (cpu.isIdle() && affinity.contains(cpu.number) && cpu.wakeIfIdle()) {
        return true;
      }
    }
    return false;
  }

  /** Whether a mask, in the machine's numbers, has one of them. */
  boolean overlaps(CpuMask affinity) {
    for (int number : numbers) {
      if (affinity.contains(number)) {
        return true;
      }
    }
    return false;
  }

  /** What runs, for messages. */
  String running() {
    StringBuilder text = new StringBuilder();
    for (Pcpu cpu : cpus) {
      if (cpu.core == null) {
        say(text, cpu.number, cpu.current);
      } else {
        for (Place place : cpu.core.places) {
          say(text, place.number, place.current());
        }
      }
    }
    return text.toString();
  }

  private static void say(StringBuilder text, int number, DispatchUnit unitOrNull) {
    if (unitOrNull != null) {
      text.append(text.isEmpty() ? "" : ", ").append("pcpu ").append(number);
      text.append(" runs ").append(unitOrNull);
    }
  }

  private int position(int number) {
    for (int i = 0; i < numbers.length; i++) {
      if (numbers[i] == number) {
        return i;
      }
    }
    return -1;
  }
}
