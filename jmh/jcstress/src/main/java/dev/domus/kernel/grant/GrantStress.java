package dev.domus.kernel.grant;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import dev.domus.kernel.abi.GrantEntryLayout;
import dev.domus.kernel.abi.GrantStatus;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * Flags of grant entries of both versions, which the guest may change at any time, and grant
 * handles.
 */
public final class GrantStress {
  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
  private static final int REF = 9, GRANTEE = 2;

  private GrantStress() {}

  /** A table with one entry that permits domain 2, in a frame of its own. */
  private static final class Table {
    final MemorySegment memory = MemorySegment.ofArray(new long[512]);
    final SharedEntries entries = new SharedEntriesV1(memory, new long[] {0});
    final ActiveGrant grant = new ActiveGrant();
    private final long flags = REF * GrantEntryLayout.SIZE;

    Table() {
      entries.permit(REF, GrantEntryLayout.PERMIT_ACCESS | GRANTEE << 16, 5, 0);
    }

    int claim() {
      return entries.claim(REF, grant, GRANTEE, true, Use.MAP);
    }

    int flags() {
      return (int) INT.getVolatile(memory, flags) & 0xFFFF;
    }

    /** What a guest does to end a grant: takes the permission away, unless it is in use. */
    boolean endAccess() {
      int word = GrantEntryLayout.PERMIT_ACCESS | GRANTEE << 16;
      return INT.compareAndSet(memory, flags, word, 0);
    }
  }

  private static int bit(boolean b) {
    return b ? 1 : 0;
  }

  /** A grant is mapped while the guest ends it. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "whoever came first")
  @Outcome(id = "1, 1", expect = FORBIDDEN, desc = "mapped, and the guest believes it is not")
  @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "neither")
  @State
  public static class ClaimAgainstEnd {
    private final Table table = new Table();

    /** Maps. */
    @Actor
    public void claim(II_Result r) {
      r.r1 = bit(table.claim() == GrantStatus.OKAY);
    }

    /** Ends. */
    @Actor
    public void end(II_Result r) {
      r.r2 = bit(table.endAccess());
    }
  }

  /** The same in version 2, where the guest clears the flags and then looks at the status. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "whoever came first")
  @Outcome(
      id = "0, 0",
      expect = ACCEPTABLE,
      desc = "a mark that is taken back; the guest looks again")
  @Outcome(id = "1, 1", expect = FORBIDDEN, desc = "mapped, and the guest believes it is not")
  @State
  public static class ClaimAgainstEndV2 {
    private static final long STATUSES = 4096;

    private final MemorySegment memory = MemorySegment.ofArray(new long[1024]);
    private final SharedEntries entries =
        new SharedEntriesV2(memory, new long[] {0}, new long[] {STATUSES >>> 12});
    private final ActiveGrant grant = new ActiveGrant();

    /** Permits. */
    public ClaimAgainstEndV2() {
      entries.permit(REF, GrantEntryLayout.PERMIT_ACCESS | GRANTEE << 16, 5, 0);
    }

    /** Maps. */
    @Actor
    public void claim(II_Result r) {
      r.r1 = bit(entries.claim(REF, grant, GRANTEE, true, Use.MAP) == GrantStatus.OKAY);
    }

    /** Ends. */
    @Actor
    public void end(II_Result r) {
      INT.setVolatile(memory, (long) REF * GrantEntryLayout.SIZE_V2, 0);
      int use = (int) INT.getVolatile(memory, STATUSES + REF / 2 * 4L) >>> ((REF & 1) << 4);
      r.r2 = bit((use & GrantEntryLayout.READING) == 0);
    }
  }

  /** A grant is mapped for writing while the guest takes the permission to write away. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "whoever came first")
  @Outcome(id = "1, 1", expect = FORBIDDEN, desc = "writable against a permission that is gone")
  @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "neither")
  @State
  public static class ClaimAgainstReadOnly {
    private final Table table = new Table();

    /** Maps. */
    @Actor
    public void claim(II_Result r) {
      r.r1 = bit(table.claim() == GrantStatus.OKAY);
    }

    /** Takes away. */
    @Actor
    public void restrict(II_Result r) {
      int word = GrantEntryLayout.PERMIT_ACCESS | GRANTEE << 16;
      r.r2 =
          bit(INT.compareAndSet(table.memory, table.flags, word, word | GrantEntryLayout.READONLY));
    }
  }

  /** A flag is cleared while the guest changes another bit of the word. */
  @JCStressTest
  @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "both changes are there")
  @Outcome(expect = FORBIDDEN, desc = "one store has undone the other")
  @State
  public static class ClearAgainstGuest {
    private final Table table = new Table();

    /** In use for writing. */
    public ClearAgainstGuest() {
      table.claim();
    }

    /** The last writer has gone. */
    @Actor
    public void clear() {
      table.entries.clear(REF, GrantEntryLayout.WRITING);
    }

    /** The guest sets a bit of its own. */
    @Actor
    public void guest() {
      INT.getAndBitwiseOr(table.memory, table.flags, GrantEntryLayout.READONLY);
    }

    /** What is there. */
    @Arbiter
    public void look(II_Result r) {
      r.r1 = bit((table.flags() & GrantEntryLayout.WRITING) == 0);
      r.r2 = bit((table.flags() & GrantEntryLayout.READONLY) != 0);
    }
  }

  /** Two vCPUs unmap the same handle. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "one of them unmaps")
  @Outcome(expect = FORBIDDEN, desc = "references put twice or never (XSA-224)")
  @State
  public static class UnmapTwice {
    private final Mapping mapping = new Mapping();

    /** Live. */
    public UnmapTwice() {
      mapping.publish(Mapping.HOST);
    }

    private int unmap() {
      int state = mapping.claim();
      if (state != 0) {
        mapping.publish(0);
      }
      return state;
    }

    /** One. */
    @Actor
    public void one(II_Result r) {
      r.r1 = unmap();
    }

    /** The other. */
    @Actor
    public void other(II_Result r) {
      r.r2 = unmap();
    }
  }

  /** Two map at once, while a handle is free and another is not. */
  @JCStressTest
  @Outcome(
      id = {"0, 1, 1", "1, 0, 1"},
      expect = ACCEPTABLE,
      desc = "two handles")
  @Outcome(expect = FORBIDDEN, desc = "one handle for two mappings")
  @State
  public static class HandleTwice {
    private final MapTrack track = new MapTrack(2);

    /** Handle 0 has been used before. */
    public HandleTwice() {
      track.release(0, track.allocate(0));
    }

    /** One. */
    @Actor
    public void one(III_Result r) {
      r.r1 = track.allocate(0);
    }

    /** The other. */
    @Actor
    public void other(III_Result r) {
      r.r2 = track.allocate(1);
    }

    /** Both are there. */
    @Arbiter
    public void look(III_Result r) {
      r.r3 = bit(track.find(0) != null && track.find(1) != null && track.limit() == 2);
    }
  }
}
