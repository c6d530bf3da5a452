package dev.domus.kernel.trace.ring;

import dev.domus.kernel.trace.TraceBatch;
import dev.domus.kernel.trace.TraceRecord;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.ZZ_Result;

/** A reader beside the writer of a buffer that overwrites what is being read. */
public final class TraceRingStress {
  private static final int CAPACITY = 2, RECORDS = 5;

  private TraceRingStress() {}

  /** What is read was written as a whole, and what is missing was counted. */
  @JCStressTest
  @State
  @Outcome(id = "true, true", expect = Expect.ACCEPTABLE, desc = "whole records, and all counted")
  @Outcome(expect = Expect.FORBIDDEN, desc = "a torn record, or one that nobody counted")
  public static class OverwrittenWhileRead {
    private final TraceRing ring = new TraceRing(0, CAPACITY);
    private final TraceBatch batch = new TraceBatch(CAPACITY);

    /** The pCPU. */
    @Actor
    public void writer() {
      for (long n = 0; n < RECORDS; n++) {
        ring.write(n, n + 1, n + 2, n + 3);
      }
    }

    /** The recorder. */
    @Actor
    public void reader(ZZ_Result result) {
      boolean whole = true;
      long position = 0;
      long seen = 0;
      long lost = 0;
      for (int reads = 0; reads < 2; reads++) {
        position = ring.read(position, batch);
        long[] words = batch.words();
        for (int i = 0; i < batch.count(); i++) {
          long n = batch.first() + i;
          for (int word = 0; word < TraceRecord.WORDS; word++) {
            whole &= words[i * TraceRecord.WORDS + word] == n + word;
          }
        }
        seen += batch.count();
        lost += batch.lost();
      }
      result.r1 = whole;
      result.r2 = seen + lost == position;
    }
  }
}
