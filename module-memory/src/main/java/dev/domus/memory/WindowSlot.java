package dev.domus.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What changes in the life of a {@link Window}. A slot serves one window after another; each has a
 * generation of its own, so that a handle of an earlier one finds out.
 *
 * <pre>
 *   word    63              33  32 31       30      29       28             0
 *          +------------------+---+--------+-------+--------+---------------+
 *          |    generation    | r | guests | quiet | ending |     users     |
 *          +------------------+---+--------+-------+--------+---------------+
 *
 *   (g, 1 user) --share--> (g, n users) --close--> ... --last close--> (g+r, 0 users)
 *        |                      |                                           |
 *        +------revoke----------+--> (g+r, n users) --last close------------+
 *                                                                           | nobody is in an access
 *   next life: (g+1, 1 user) <--open-- (g+1, 0 users) <--release callback-- (g+r, ending)
 * </pre>
 *
 * <p><b>Accesses.</b> A thread announces in its {@link Accessor} which slot it is about to access,
 * then checks the generation with r = 0, accesses, and takes the announcement back. Whoever ends a
 * window changes the generation, then looks at the announcements: Dekker's pattern, whose fences
 * are on the ending side ({@link ProcessBarrier}), so an access costs plain loads and stores.
 *
 * <p><b>The owner</b> is the thread that opened the window. Any other thread sets <i>guests</i>
 * before its first access. While it is not set and the owner is the last to close, nobody can be in
 * an access: the window ends without a fence, which is what makes a short life cheap. Otherwise the
 * closer makes the fence, sets <i>quiet</i>, and looks; if somebody is in an access, he looks again
 * when he leaves and sees that the generation has changed. Of all who find nobody in, the one who
 * sets <i>ending</i> runs the callback.
 *
 * <p>Why one of them finds nobody: the closer sets quiet, then looks at announcements; a leaver
 * takes his back, fences, then looks for quiet, then at announcements. So a leaver who does not see
 * quiet is seen to have left by the closer, and of two leavers the later one sees that both have
 * left. A leaver does not look before quiet is set, since only then the closer's fence has made
 * every announcement visible.
 *
 * <p><b>No second life for a handle.</b> Generations of a slot are not used twice: after
 * 2<sup>31</sup> lives it goes to the garbage collector. A late access through an old handle
 * announces itself to a later window's end for a moment, which at worst makes that wait for it.
 */
final class WindowSlot {
  private static final VarHandle WORD;

  static {
    try {
      WORD = MethodHandles.lookup().findVarHandle(WindowSlot.class, "word", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static final int GENERATION_SHIFT = 32;
  private static final int REVOKED = 1; // in the upper half
  private static final int ONE_LIFE = 2;
  private static final long GUESTS = 1L << 31;
  private static final long QUIET = 1L << 30;
  private static final long ENDING = 1L << 29;
  private static final long USERS = ENDING - 1;

  private static final AtomicLong NEXT_ID = new AtomicLong(1);

  /** What accessors announce; never 0, and no other slot's. */
  final long id = NEXT_ID.getAndIncrement();

  private Accessor owner;
  private Runnable release;
  private volatile long word;

  /** Begins a life with one user; the slot is the calling thread's and free. */
  int begin(Accessor opener, Runnable whenOver) {
    owner = opener;
    release = whenOver;
    long free = word;
    WORD.setRelease(this, free + 1);
    return generation(free);
  }

  private static int generation(long word) {
    return (int) (word >>> GENERATION_SHIFT);
  }

  private static long users(long word) {
    return word & USERS;
  }

  /** Whether accesses of this life work. */
  boolean isAlive(int generation) {
    return generation((long) WORD.getAcquire(this)) == generation;
  }

  /** Whether this life's callback has run. */
  boolean isOver(int generation) {
    return (generation(word) | REVOKED) != (generation | REVOKED);
  }

  // ---- accesses

  /**
   * Announces the calling thread's access.
   *
   * @return to whom {@link #leave} is told, or null if it is too late
   */
  Accessor enter(int generation) {
    Accessor me = owner;
    if (!me.isMine()) {
      me = guest(generation);
    }
    if (me != null) {
      me.enter(id);
      if (!isAlive(generation)) {
        leave(generation, me);
        return null;
      }
    }
    return me;
  }

  /** Ends an access; the last one out of a window that has ended runs the callback. */
  void leave(int generation, Accessor me) {
    me.leave();
    if (generation((long) WORD.getOpaque(this)) != generation) {
      VarHandle.fullFence();
      releaseIfQuiet();
    }
  }

  private Accessor guest(int generation) {
    long now = word;
    while ((now & GUESTS) == 0) {
      if (generation(now) != generation) {
        return null;
      }
      if (WORD.compareAndSet(this, now, now | GUESTS)) {
        break;
      }
      now = word;
    }
    return Accessor.mine();
  }

  // ---- users

  /** Adds a user; false if the life is over or revoked. */
  boolean share(int generation) {
    while (true) {
      long now = word;
      if (generation(now) != generation) {
        return false;
      }
      if (users(now) == USERS) {
        throw new ArithmeticException("a window has too many users: users=" + USERS);
      }
      if (WORD.compareAndSet(this, now, now + 1)) {
        return true;
      }
    }
  }

  /** Makes accesses of this life fail from now on. */
  void revoke(int generation) {
    while (true) {
      long now = word;
      if (generation(now) != generation
          || WORD.compareAndSet(this, now, now | (long) REVOKED << GENERATION_SHIFT)) {
        return;
      }
    }
  }

  /** Takes a user away, if there is one; the last one ends the life. */
  void close(int generation) {
    while (true) {
      long now = word;
      if ((generation(now) | REVOKED) != (generation | REVOKED) || users(now) == 0) {
        return;
      }
      if (users(now) > 1) {
        if (WORD.compareAndSet(this, now, now - 1)) {
          return;
        }
        continue;
      }
      Accessor mine = owner;
      boolean nobodyIn = (now & GUESTS) == 0 && mine.isMine();
      long ended = now - 1 | (long) REVOKED << GENERATION_SHIFT;
      if (WORD.compareAndSet(this, now, nobodyIn ? ended | ENDING : ended)) {
        if (nobodyIn) {
          finish(generation, mine);
        } else {
          ProcessBarrier.heavy();
          long ignored = (long) WORD.getAndBitwiseOr(this, QUIET);
          releaseIfQuiet();
        }
        return;
      }
    }
  }

  private void releaseIfQuiet() {
    long now = word;
    if ((now & (QUIET | ENDING)) == QUIET
        && !Accessor.anyIn(id)
        && WORD.compareAndSet(this, now, now | ENDING)) {
      finish(generation(now) & ~REVOKED, Accessor.mine());
    }
  }

  /** Runs the callback and frees the slot. If the callback throws the slot is never used again. */
  private void finish(int generation, Accessor mine) {
    release.run();
    release = null;
    int next = generation + ONE_LIFE;
    WORD.setRelease(this, (long) next << GENERATION_SHIFT);
    if (next != 0) {
      mine.keep(this);
    }
  }
}
