package dev.domus.memory;

import static dev.domus.memory.FrameTable.L1;
import static dev.domus.memory.FrameTable.MUST_DEVALIDATE;
import static dev.domus.memory.FrameTable.MUST_RESUME;
import static dev.domus.memory.FrameTable.MUST_VALIDATE;
import static dev.domus.memory.FrameTable.SEGDESC;
import static dev.domus.memory.FrameTable.TAKEN;
import static dev.domus.memory.FrameTable.WRITABLE;
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

/** Type references of {@link FrameTable}: nothing is writable and a table at once (XSA-401). */
public final class FrameTypeStress {
  private FrameTypeStress() {}

  private static int bit(boolean b) {
    return b ? 1 : 0;
  }

  /** One wants to write a frame, the other to make it a table. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "whoever came first")
  @Outcome(id = "1, 1", expect = FORBIDDEN, desc = "a frame is writable and a table")
  @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "a free type is refused to both")
  @State
  public static class WritableAgainstTable {
    private final int mfn = StressFrames.owned();

    /** Writes. */
    @Actor
    public void write(II_Result r) {
      r.r1 = bit(TABLE.takeType(mfn, WRITABLE) == TAKEN);
    }

    /** Makes a table. */
    @Actor
    public void validate(II_Result r) {
      r.r2 = bit(TABLE.takeType(mfn, L1) == MUST_VALIDATE);
    }
  }

  /** As before, with a page of descriptors, and the table is given up again. */
  @JCStressTest
  @Outcome(
      id = {"0, 1", "1, 0", "1, 1"},
      expect = ACCEPTABLE,
      desc = "one after the other")
  @Outcome(id = "2, 1", expect = FORBIDDEN, desc = "written while it was validated")
  @Outcome(expect = FORBIDDEN, desc = "a free type is refused to both")
  @State
  public static class WritableAgainstDescriptors {
    private final int mfn = StressFrames.owned();
    private volatile boolean validating;

    /** Writes; 2 if that was in the middle of validation. */
    @Actor
    public void write(II_Result r) {
      if (TABLE.takeType(mfn, WRITABLE) == TAKEN) {
        r.r1 = validating ? 2 : 1;
        TABLE.putType(mfn);
      }
    }

    /** Validates. */
    @Actor
    public void validate(II_Result r) {
      if (TABLE.takeType(mfn, SEGDESC) == MUST_VALIDATE) {
        validating = true;
        r.r2 = 1;
        validating = false;
        TABLE.validated(mfn);
        TABLE.putType(mfn);
      }
    }
  }

  /** Two want the same table; who does not validate may use it only when that is done. */
  @JCStressTest
  @Outcome(id = "1, 0", expect = ACCEPTABLE, desc = "the one validates, the other was refused")
  @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "the other sees what validation left")
  @Outcome(
      id = "0, 3",
      expect = ACCEPTABLE,
      desc = "the other validates and fails: the one refused")
  @Outcome(id = "1, 3", expect = ACCEPTABLE, desc = "the other fails, then the one validates")
  @Outcome(id = "1, 2", expect = FORBIDDEN, desc = "used before its entries were seen to")
  @Outcome(expect = FORBIDDEN, desc = "both validate, or a reference is lost (XSA-401)")
  @State
  public static class TwoValidators {
    private final int mfn = StressFrames.owned();
    private int contents;

    /** Validates and stores what the table shall hold. */
    @Actor
    public void one(II_Result r) {
      if (TABLE.takeType(mfn, L1) == MUST_VALIDATE) {
        contents = 1;
        TABLE.validated(mfn);
        r.r1 = 1;
      }
    }

    /** Uses it; if it has to validate first, it finds the contents bad. */
    @Actor
    public void other(II_Result r) {
      int taken = TABLE.takeType(mfn, L1);
      if (taken == TAKEN) {
        r.r2 = contents == 1 ? 1 : 2;
      } else if (taken == MUST_VALIDATE) {
        TABLE.validationFailed(mfn);
        r.r2 = 3;
      }
    }
  }

  /** The last reference of a table is put while another is taken. */
  @JCStressTest
  @Outcome(id = "0, 1", expect = ACCEPTABLE, desc = "the table lives on")
  @Outcome(id = "1, 0", expect = ACCEPTABLE, desc = "taken apart, the other refused meanwhile")
  @Outcome(id = "1, 2", expect = ACCEPTABLE, desc = "taken apart, then validated anew")
  @Outcome(id = "1, 1", expect = FORBIDDEN, desc = "a table is taken apart under a reference")
  @Outcome(expect = FORBIDDEN, desc = "a reference is lost")
  @State
  public static class LastPutAgainstTake {
    private final int mfn = StressFrames.table();

    /** Puts. */
    @Actor
    public void put(II_Result r) {
      if (TABLE.putType(mfn) == MUST_DEVALIDATE) {
        TABLE.devalidated(mfn);
        r.r1 = 1;
      }
    }

    /** Takes. */
    @Actor
    public void take(II_Result r) {
      int taken = TABLE.takeType(mfn, L1);
      r.r2 = taken == TAKEN ? 1 : taken == MUST_VALIDATE ? 2 : 0;
    }
  }

  /** A table ceases to be one while somebody wants to write it. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 0"},
      expect = ACCEPTABLE,
      desc = "writable once it is taken apart")
  @Outcome(expect = FORBIDDEN, desc = "written before its entries' references were put")
  @State
  public static class TakeApartAgainstWritable {
    private final int mfn = StressFrames.table();
    private int entries = 1;

    /** Takes it apart. */
    @Actor
    public void put() {
      if (TABLE.putType(mfn) == MUST_DEVALIDATE) {
        entries = 0;
        TABLE.devalidated(mfn);
      }
    }

    /** Writes. */
    @Actor
    public void write(II_Result r) {
      if (TABLE.takeType(mfn, WRITABLE) == TAKEN) {
        r.r1 = 1;
        r.r2 = entries;
      }
    }
  }

  /** A table that was left half validated is resumed by one and undone by another. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "one of them goes on with it")
  @Outcome(id = "2, 1", expect = ACCEPTABLE, desc = "undone, then validated from the start")
  @Outcome(id = "1, 1", expect = FORBIDDEN, desc = "both: its entries are put twice (XSA-299)")
  @Outcome(expect = FORBIDDEN, desc = "neither: it stays so for ever")
  @State
  public static class ResumeAgainstUndo {
    private final int mfn = StressFrames.owned();

    /** Half validated. */
    public ResumeAgainstUndo() {
      TABLE.get(mfn, StressFrames.OWNER);
      TABLE.takeType(mfn, L1);
      TABLE.park(mfn, 3);
    }

    /** Resumes; 2 if there was nothing to resume any more. */
    @Actor
    public void resume(II_Result r) {
      int taken = TABLE.takeType(mfn, L1);
      r.r1 = taken == MUST_RESUME ? 1 : taken == MUST_VALIDATE ? 2 : 0;
    }

    /** Undoes. */
    @Actor
    public void undo(II_Result r) {
      if (TABLE.takePartial(mfn)) {
        TABLE.devalidated(mfn);
        r.r2 = 1;
      }
    }
  }

  /** Two want to resume the same table. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "one resumes, the other is refused")
  @Outcome(expect = FORBIDDEN, desc = "both or neither: references taken twice, or a frame lost")
  @State
  public static class ResumeTwice {
    private final int mfn = StressFrames.owned();

    /** Half validated. */
    public ResumeTwice() {
      TABLE.get(mfn, StressFrames.OWNER);
      TABLE.takeType(mfn, L1);
      TABLE.park(mfn, 3);
    }

    /** One. */
    @Actor
    public void one(II_Result r) {
      r.r1 = bit(TABLE.takeType(mfn, L1) == MUST_RESUME);
    }

    /** The other. */
    @Actor
    public void other(II_Result r) {
      r.r2 = bit(TABLE.takeType(mfn, L1) == MUST_RESUME);
    }
  }

  /** Two pin a table. */
  @JCStressTest
  @Outcome(
      id = {"1, 0, 1", "0, 1, 1"},
      expect = ACCEPTABLE,
      desc = "one pin")
  @Outcome(expect = FORBIDDEN, desc = "a pin whose references the other's unpin puts")
  @State
  public static class PinTwice {
    private final int mfn = StressFrames.table();

    /** One. */
    @Actor
    public void one(III_Result r) {
      r.r1 = bit(TABLE.pin(mfn));
    }

    /** The other. */
    @Actor
    public void other(III_Result r) {
      r.r2 = bit(TABLE.pin(mfn));
    }

    /** What is left. */
    @Arbiter
    public void look(III_Result r) {
      r.r3 = bit(TABLE.isPinned(mfn));
    }
  }

  /** Two unpin a table, the classic race for a reference put twice. */
  @JCStressTest
  @Outcome(
      id = {"1, 0, 0", "0, 1, 0"},
      expect = ACCEPTABLE,
      desc = "one of them owes the puts")
  @Outcome(expect = FORBIDDEN, desc = "the pin's references are put twice or never")
  @State
  public static class UnpinTwice {
    private final int mfn = StressFrames.table();

    /** Pinned. */
    public UnpinTwice() {
      TABLE.pin(mfn);
    }

    /** One. */
    @Actor
    public void one(III_Result r) {
      r.r1 = bit(TABLE.unpin(mfn));
    }

    /** The other. */
    @Actor
    public void other(III_Result r) {
      r.r2 = bit(TABLE.unpin(mfn));
    }

    /** What is left. */
    @Arbiter
    public void look(III_Result r) {
      r.r3 = bit(TABLE.isPinned(mfn));
    }
  }

  /** The pin and the count share a word: neither change may be lost. */
  @JCStressTest
  @Outcome(id = "1, 2", expect = ACCEPTABLE, desc = "both are there")
  @Outcome(expect = FORBIDDEN, desc = "one store has undone the other")
  @State
  public static class PinAgainstTake {
    private final int mfn = StressFrames.table();

    /** Pins. */
    @Actor
    public void pin() {
      TABLE.pin(mfn);
    }

    /** Takes. */
    @Actor
    public void take() {
      TABLE.takeType(mfn, L1);
    }

    /** What is left. */
    @Arbiter
    public void look(II_Result r) {
      r.r1 = bit(TABLE.isPinned(mfn));
      r.r2 = (int) TABLE.typeCount(mfn);
    }
  }

  /** A table is to contain a linear entry and to be the target of one. */
  @JCStressTest
  @Outcome(
      id = {"1, 0, 1", "0, 1, -1"},
      expect = ACCEPTABLE,
      desc = "one of the two ends")
  @Outcome(expect = FORBIDDEN, desc = "both ends: a chain (XSA-240), or a count that is wrong")
  @State
  public static class LinearEnds {
    private final int mfn = StressFrames.table();

    /** Contains. */
    @Actor
    public void entry(III_Result r) {
      r.r1 = bit(TABLE.linear().addEntry(mfn));
    }

    /** Is the target. */
    @Actor
    public void use(III_Result r) {
      r.r2 = bit(TABLE.linear().addUse(mfn));
    }

    /** The count. */
    @Arbiter
    public void look(III_Result r) {
      r.r3 = TABLE.linear().count(mfn);
    }
  }
}
