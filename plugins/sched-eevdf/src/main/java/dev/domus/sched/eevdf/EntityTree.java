package dev.domus.sched.eevdf;

import dev.domus.kernel.sched.RunQueue;

/**
 * The entities that wait, by virtual run time, each subtree with its earliest deadline: so that the
 * earliest deadline among those that are eligible, which are a prefix, is found in O(log n).
 *
 * <p>A treap (C. Aragon, R. Seidel, <em>Randomized Search Trees</em>, 1989), linked through the
 * entities: nothing is allocated, and the depth is that of a random binary tree whatever the order
 * of insertions. Virtual times are compared by the sign of their difference, so they may wrap. Ties
 * go by the order of insertion, so each entity has one place, where it is found again in O(log n)
 * also among thousands that woke together.
 */
final class EntityTree {
  private Entity root;
  private int random = 0x9E37_79B9;
  private int size;
  private long insertions;

  boolean isEmpty() {
    return root == null;
  }

  int size() {
    return size;
  }

  void insert(Entity entity) {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    entity.heapPriority = random;
    entity.insertion = insertions++;
    entity.left = null;
    entity.right = null;
    entity.minDeadline = entity.deadline;
    entity.queued = true;
    root = insert(root, entity);
    size++;
  }

  private static Entity insert(Entity at, Entity entity) {
    if (at == null) {
      return entity;
    }
    if (entity.heapPriority > at.heapPriority) {
      split(at, entity);
      return refreshed(entity);
    }
    if (isBefore(entity, at)) {
      at.left = insert(at.left, entity);
    } else {
      at.right = insert(at.right, entity);
    }
    return refreshed(at);
  }

  /** Divides a tree at an entity's place, and hangs both halves below the entity. */
  private static void split(Entity at, Entity entity) {
    if (at == null) {
      entity.left = null;
      entity.right = null;
    } else if (isBefore(entity, at)) {
      split(at.left, entity);
      at.left = entity.right;
      entity.right = refreshed(at);
    } else {
      split(at.right, entity);
      at.right = entity.left;
      entity.left = refreshed(at);
    }
  }

  /** Takes out an entity that is in the tree. */
  void remove(Entity entity) {
    root = remove(root, entity);
    entity.left = null;
    entity.right = null;
    entity.queued = false;
    size--;
  }

  private static Entity remove(Entity at, Entity entity) {
    if (at == entity) {
      return merge(at.left, at.right);
    }
    if (isBefore(entity, at)) {
      at.left = remove(at.left, entity);
    } else {
      at.right = remove(at.right, entity);
    }
    return refreshed(at);
  }

  private static boolean isBefore(Entity one, Entity other) {
    long order = one.vruntime - other.vruntime;
    return order < 0 || order == 0 && one.insertion < other.insertion;
  }

  private static Entity merge(Entity left, Entity right) {
    if (left == null) {
      return right;
    }
    if (right == null) {
      return left;
    }
    if (left.heapPriority > right.heapPriority) {
      left.right = merge(left.right, right);
      return refreshed(left);
    }
    right.left = merge(left, right.left);
    return refreshed(right);
  }

  private static Entity refreshed(Entity at) {
    long least = at.deadline;
    if (at.left != null && at.left.minDeadline - least < 0) {
      least = at.left.minDeadline;
    }
    if (at.right != null && at.right.minDeadline - least < 0) {
      least = at.right.minDeadline;
    }
    at.minDeadline = least;
    return at;
  }

  /** The one with the earliest deadline among those that have run no further, or null. */
  Entity earliestUpTo(long vruntime) {
    Entity best = null; // itself eligible
    Entity subtree = null; // all of which is eligible, with an earlier deadline
    for (Entity at = root; at != null; ) {
      if (at.vruntime - vruntime > 0) {
        at = at.left;
        continue;
      }
      long least = subtree != null ? subtree.minDeadline : best != null ? best.deadline : 0;
      boolean none = best == null && subtree == null;
      if (at.left != null && (none || at.left.minDeadline - least < 0)) {
        subtree = at.left;
        best = null;
        least = subtree.minDeadline;
        none = false;
      }
      if (none || at.deadline - least < 0) {
        best = at;
        subtree = null;
      }
      at = at.right;
    }
    return subtree == null ? best : withMinDeadline(subtree);
  }

  private static Entity withMinDeadline(Entity subtree) {
    Entity at = subtree;
    while (at.deadline != at.minDeadline) {
      at = at.left != null && at.left.minDeadline == at.minDeadline ? at.left : at.right;
    }
    return at;
  }

  /** The one that has run least, or null. */
  Entity first() {
    Entity at = root;
    while (at != null && at.left != null) {
      at = at.left;
    }
    return at;
  }

  /** The best of those that may run on a pCPU: eligible before others, then by deadline. O(n). */
  Entity bestFor(int pcpu, long vruntime) {
    return bestFor(root, pcpu, vruntime, null);
  }

  private static Entity bestFor(Entity at, int pcpu, long vruntime, Entity before) {
    if (at == null) {
      return before;
    }
    Entity best = bestFor(at.left, pcpu, vruntime, before);
    if (at.unit.affinity().contains(pcpu)) {
      boolean eligible = at.vruntime - vruntime <= 0;
      if (best == null || eligible && at.deadline - best.deadline < 0) {
        best = at;
      }
    }
    return bestFor(at.right, pcpu, vruntime, best);
  }

  /** Any that a run queue allows, the one that would run last here if possible; or null. O(n). */
  Entity lastAllowed(RunQueue taker) {
    return lastAllowed(root, taker);
  }

  private static Entity lastAllowed(Entity at, RunQueue taker) {
    if (at == null) {
      return null;
    }
    Entity found = lastAllowed(at.right, taker);
    if (found == null && taker.allows(at.unit)) {
      found = at;
    }
    return found != null ? found : lastAllowed(at.left, taker);
  }
}
