package dev.domus.memory;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** {@link Window}: accesses, users and the end of a window (decision 0007). */
public final class WindowStress {
  private WindowStress() {}

  /** A window over one frame, whose next owner writes 2 into it as soon as he has it. */
  private static final class View {
    final long[] frame = new long[512];
    final AtomicInteger releases = new AtomicInteger();
    final Window window =
        Window.of(
            MemorySegment.ofArray(frame),
            new CodeFrames(1),
            true,
            () -> {
              frame[0] = 2;
              releases.incrementAndGet();
            },
            0);

    int store() {
      try {
        window.putLong(0, 1);
        return 1;
      } catch (WindowRevokedException tooLate) {
        return 0;
      }
    }
  }

  /** The last user closes while another thread stores. */
  @JCStressTest
  @Outcome(
      id = {"1, 2", "0, 2"},
      expect = ACCEPTABLE,
      desc = "stored before the end, or refused")
  @Outcome(
      id = {"1, 1", "0, 1"},
      expect = FORBIDDEN,
      desc = "the next owner's frame is written")
  @Outcome(expect = FORBIDDEN, desc = "the frame is never released")
  @State
  public static class StoreAgainstClose {
    private final View view = new View();

    /** Stores. */
    @Actor
    public void store(II_Result r) {
      r.r1 = view.store();
    }

    /** Closes. */
    @Actor
    public void close() {
      view.window.close();
    }

    /** What the next owner finds. */
    @Arbiter
    public void look(II_Result r) {
      r.r2 = (int) view.frame[0];
    }
  }

  /** A mapping is destroyed, that is revoked and then closed, while another thread stores. */
  @JCStressTest
  @Outcome(
      id = {"1, 2", "0, 2"},
      expect = ACCEPTABLE,
      desc = "stored before the end, or refused")
  @Outcome(
      id = {"1, 1", "0, 1"},
      expect = FORBIDDEN,
      desc = "the next owner's frame is written")
  @Outcome(expect = FORBIDDEN, desc = "the frame is never released")
  @State
  public static class StoreAgainstRevoke {
    private final View view = new View();

    /** Stores. */
    @Actor
    public void store(II_Result r) {
      r.r1 = view.store();
    }

    /** Revokes and closes. */
    @Actor
    public void revoke() {
      view.window.revoke();
      view.window.close();
    }

    /** What the next owner finds. */
    @Arbiter
    public void look(II_Result r) {
      r.r2 = (int) view.frame[0];
    }
  }

  /** The two users of a window close at once. */
  @JCStressTest
  @Outcome(id = "1, 2", expect = ACCEPTABLE, desc = "released once")
  @Outcome(expect = FORBIDDEN, desc = "the references are put twice or never")
  @State
  public static class CloseAgainstClose {
    private final View view = new View();

    /** Two users. */
    public CloseAgainstClose() {
      view.window.share();
    }

    /** One. */
    @Actor
    public void one() {
      view.window.close();
    }

    /** The other. */
    @Actor
    public void other() {
      view.window.close();
    }

    /** How often it was released. */
    @Arbiter
    public void look(II_Result r) {
      r.r1 = view.releases.get();
      r.r2 = (int) view.frame[0];
    }
  }

  /** A user stores and closes, while the other one closes. */
  @JCStressTest
  @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "a user's access works until he closes")
  @Outcome(id = "0, 1", expect = FORBIDDEN, desc = "another's close has ended a user's access")
  @Outcome(expect = FORBIDDEN, desc = "the references are put twice or never")
  @State
  public static class UserAgainstClose {
    private final View view = new View();

    /** Two users. */
    public UserAgainstClose() {
      view.window.share();
    }

    /** Uses and closes. */
    @Actor
    public void use(II_Result r) {
      r.r1 = view.store();
      view.window.close();
    }

    /** Closes. */
    @Actor
    public void close() {
      view.window.close();
    }

    /** How often it was released. */
    @Arbiter
    public void look(II_Result r) {
      r.r2 = view.releases.get();
    }
  }
}
