package dev.domus.iommu;

/**
 * How to wait for somebody who is in the middle of something short: spin, then let others run,
 * because he may have lost his processor in the middle of it.
 */
final class Waiting {
  private static final int SPINS = 128;

  private Waiting() {}

  /** One step of a wait; counts from 0. */
  static void pause(int spins) {
    if (spins < SPINS) {
      Thread.onSpinWait();
    } else {
      Thread.yield();
    }
  }
}
