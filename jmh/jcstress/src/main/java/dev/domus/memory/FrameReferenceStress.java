package dev.domus.memory;

import static dev.domus.memory.StressFrames.NEXT_OWNER;
import static dev.domus.memory.StressFrames.OWNER;
import static dev.domus.memory.StressFrames.TABLE;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;

/** General references and owners of {@link FrameTable}: what keeps a frame with its owner. */
public final class FrameReferenceStress {
  private FrameReferenceStress() {}

  private static int bit(boolean b) {
    return b ? 1 : 0;
  }

  /** A frame is given back while somebody takes a reference. */
  @JCStressTest
  @Outcome(id = "1, 0", expect = ACCEPTABLE, desc = "the reference came first and keeps the frame")
  @Outcome(id = "0, 1", expect = ACCEPTABLE, desc = "the frame went first")
  @Outcome(id = "1, 1", expect = FORBIDDEN, desc = "a frame is freed under a reference")
  @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "a frame that nobody refers to is never freed")
  @State
  public static class GiveBackAgainstGet {
    private final int mfn = StressFrames.owned();

    /** Refers. */
    @Actor
    public void get(II_Result r) {
      r.r1 = bit(TABLE.get(mfn, OWNER));
    }

    /** Gives back. */
    @Actor
    public void giveBack(II_Result r) {
      TABLE.dropAllocation(mfn);
      r.r2 = bit(TABLE.put(mfn));
    }
  }

  /** A frame goes all the way to its next owner while a reference is taken for the old one. */
  @JCStressTest
  @Outcome(id = "1, 1, 1", expect = ACCEPTABLE, desc = "the old owner keeps it for the reference")
  @Outcome(id = "0, 1, 2", expect = ACCEPTABLE, desc = "the next owner has it, alone")
  @Outcome(
      expect = FORBIDDEN,
      desc = "a reference for the old owner on the next one's frame, or a count that is wrong")
  @State
  public static class NextOwnerAgainstGet {
    private final int mfn = StressFrames.owned();

    /** Refers on the old owner's behalf. */
    @Actor
    public void get(III_Result r) {
      r.r1 = bit(TABLE.get(mfn, OWNER));
    }

    /** The frame's way from one owner to the next. */
    @Actor
    public void moveOn() {
      TABLE.dropAllocation(mfn);
      if (TABLE.put(mfn)) {
        TABLE.release(mfn);
        TABLE.assign(mfn, NEXT_OWNER);
      }
    }

    /** What is left. */
    @Arbiter
    public void look(III_Result r) {
      r.r2 = (int) TABLE.references(mfn);
      r.r3 = TABLE.owner(mfn);
    }
  }

  /** Both give the same frame back. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "one of them owes the put")
  @Outcome(expect = FORBIDDEN, desc = "the allocation's reference is put twice or never")
  @State
  public static class GiveBackTwice {
    private final int mfn = StressFrames.owned();

    /** One. */
    @Actor
    public void one(II_Result r) {
      r.r1 = bit(TABLE.dropAllocation(mfn));
    }

    /** The other. */
    @Actor
    public void other(II_Result r) {
      r.r2 = bit(TABLE.dropAllocation(mfn));
    }
  }

  /** The last two references are put at once. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "one of them frees the frame")
  @Outcome(expect = FORBIDDEN, desc = "the frame is freed twice or never")
  @State
  public static class LastPut {
    private final int mfn = StressFrames.owned();

    /** A second reference. */
    public LastPut() {
      TABLE.get(mfn, OWNER);
      TABLE.dropAllocation(mfn);
    }

    /** One. */
    @Actor
    public void one(II_Result r) {
      r.r1 = bit(TABLE.put(mfn));
    }

    /** The other. */
    @Actor
    public void other(II_Result r) {
      r.r2 = bit(TABLE.put(mfn));
    }
  }

  /** A frame is stolen, as exchange does it, while somebody takes a reference. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "whoever came first")
  @Outcome(
      id = "1, 1",
      expect = FORBIDDEN,
      desc = "stolen under a reference: its holder has another's frame (XSA-287)")
  @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "nobody has it")
  @State
  public static class StealAgainstGet {
    private final int mfn = StressFrames.owned();

    /** Refers. */
    @Actor
    public void get(II_Result r) {
      r.r1 = bit(TABLE.get(mfn, OWNER));
    }

    /** Steals. */
    @Actor
    public void steal(II_Result r) {
      r.r2 = bit(TABLE.changeOwner(mfn, OWNER, NEXT_OWNER));
    }
  }
}
