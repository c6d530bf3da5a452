package dev.domus.sched.eevdf;

/**
 * The virtual time of a run queue: the average of the virtual run times of all that run or wait, by
 * weight. Who is behind it is owed time; the sum of all that is owed, over weights, is 0.
 *
 * <p>The sum of products that makes the average is kept relative to a base near to it, which
 * follows it ({@link #now}), so that numbers stay small: a product is what its entity is owed, in
 * nanoseconds times {@link Entity#SCALE}.
 */
final class VirtualTime {
  private long base;
  private long weights;
  private long products;

  /** The average, now; where the last one left it, if there is nobody. */
  long now() {
    if (weights != 0) {
      long ahead = products / weights;
      base += ahead;
      products -= ahead * weights;
    }
    return base;
  }

  /** The sum of the weights. */
  long weights() {
    return weights;
  }

  void add(Entity entity) {
    weights += entity.weight;
    products += entity.weight * (entity.vruntime - base);
  }

  void remove(Entity entity) {
    weights -= entity.weight;
    products -= entity.weight * (entity.vruntime - base);
  }

  /** Moves one that is counted to another virtual run time. */
  void move(Entity entity, long vruntime) {
    products += entity.weight * (vruntime - entity.vruntime);
    entity.vruntime = vruntime;
  }
}
