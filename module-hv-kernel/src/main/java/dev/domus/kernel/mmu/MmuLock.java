package dev.domus.kernel.mmu;

import java.util.concurrent.locks.ReentrantLock;

/**
 * The lock under which a domain's page tables are changed.
 *
 * <p>It is not fair, so that two vCPUs that both make many short changes do not put each other to
 * sleep at every one. Whoever makes a long change therefore looks after each table whether {@link
 * #isWanted} and if so stops where he is, unlocks, and steps aside with {@link #letOthersIn} before
 * he comes back: a waiting vCPU holds up a pCPU, and with it other domains.
 */
final class MmuLock {
  /** How often a thread that steps aside gives its processor away before it goes on regardless. */
  private static final int POLITENESS = 200;

  private final ReentrantLock lock = new ReentrantLock();

  void lock() {
    lock.lock();
  }

  void unlock() {
    lock.unlock();
  }

  /** Says whether another thread waits for it. */
  boolean isWanted() {
    return lock.hasQueuedThreads();
  }

  /**
   * Returns when somebody who waits has got it, or does not within some hundred microseconds. The
   * caller has unlocked it.
   */
  void letOthersIn() {
    for (int i = 0; i < POLITENESS && lock.hasQueuedThreads() && !lock.isLocked(); i++) {
      Thread.yield();
    }
  }
}
