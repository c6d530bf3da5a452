package dev.domus.jmh;

import dev.domus.bench.MappingPath;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.GrantOpLayout;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.memory.Window;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * grant_table_op as guests make it, with its arguments in guest memory and its entries in page
 * tables: a batch of {@value #BATCH} mappings and as many unmappings, a call each, or as many
 * copies of 4 KiB in one, all to one page or each to another than the one before. The guest's only
 * vCPU does not run, so flushes wait for nobody. The baselines are {@link #emptyBatch}, a batch of
 * no elements, and {@link #plainCopy} and {@link #plainCopyToOtherPages}, which copy between pages
 * of plain memory as the other two do.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class GrantHypercalls {
  /** Elements of a batch. */
  static final int BATCH = 32;

  private static final int REF = 1,
      GRANTED_PFN = 600,
      SOURCE_PFN = 700,
      TARGET_PFN = 800,
      SCATTERED_PFN = 850;
  private static final int CALL = HypercallNumber.GRANT_TABLE_OP;
  private static final long MAPS = 520L << 12,
      UNMAPS = 521L << 12,
      COPIES = 522L << 12,
      SCATTERED = 523L << 12;
  private static final int HOST_MAP = 2, DESTINATION_IS_REF = 2;

  /** Version of the granting table. */
  @Param({"1", "2"})
  public int version;

  private BenchGuests guests;
  private BenchGuests.Guest mapper;
  private Window arguments;
  private MemorySegment plain;

  /** One domain grants a frame to another under a reference that survives a change of version. */
  @Setup
  public void build() {
    guests = new BenchGuests();
    BenchGuests.Guest granter = guests.build();
    mapper = guests.build();
    guests.control().seedGrant(granter.domid(), REF, mapper.domid(), GRANTED_PFN);
    try (Window window = granter.map(520, 1)) {
      window.putInt(0, version);
      granter.mustSucceed(CALL, GrantOpLayout.SET_VERSION, MAPS, 1, 0);
    }
    plain = Arena.ofAuto().allocate((1 + BATCH) * 4096, 4096);
    arguments = mapper.map(520, 4);
    for (int i = 0; i < BATCH; i++) {
      long va = (long) (TARGET_PFN + i) << 12;
      long map = (long) i * GrantOpLayout.MAP_SIZE;
      arguments.putLong(map + GrantOpLayout.MAP_HOST, va);
      arguments.putInt(map + GrantOpLayout.MAP_FLAGS, HOST_MAP);
      arguments.putInt(map + GrantOpLayout.MAP_REF, REF);
      arguments.putShort(map + GrantOpLayout.MAP_DOM, (short) granter.domid());
      arguments.putLong(4096 + (long) i * GrantOpLayout.UNMAP_SIZE + GrantOpLayout.UNMAP_HOST, va);
      fillCopy(8192 + (long) i * GrantOpLayout.COPY_SIZE, REF, granter.domid(), true);
      fillCopy(
          3 * 4096 + (long) i * GrantOpLayout.COPY_SIZE,
          mapper.mfn(SCATTERED_PFN + i),
          Domid.SELF,
          false);
    }
  }

  private void fillCopy(long at, long destination, int domid, boolean isRef) {
    arguments.putLong(at + GrantOpLayout.COPY_SOURCE, mapper.mfn(SOURCE_PFN));
    arguments.putShort(at + GrantOpLayout.COPY_SOURCE_DOM, (short) Domid.SELF);
    arguments.putLong(at + GrantOpLayout.COPY_DEST, destination);
    arguments.putShort(at + GrantOpLayout.COPY_DEST_DOM, (short) domid);
    arguments.putShort(at + GrantOpLayout.COPY_LENGTH, (short) 4096);
    arguments.putShort(at + GrantOpLayout.COPY_FLAGS, (short) (isRef ? DESTINATION_IS_REF : 0));
  }

  /** Gives the machine back. */
  @TearDown
  public void close() {
    arguments.close();
    guests.close();
  }

  /** The baseline: the call, without an element. */
  @Benchmark
  public void emptyBatch() {
    mapper.mustSucceed(CALL, GrantOpLayout.MAP_GRANT_REF, MAPS, 0, 0);
  }

  /** A mapping and its end. */
  @Benchmark
  @MappingPath(
      value = "grant",
      what = "a grant of a batch of 32 is mapped and unmapped",
      floor = "passHandles")
  @OperationsPerInvocation(BATCH)
  public void mapAndUnmap() {
    mapper.mustSucceed(CALL, GrantOpLayout.MAP_GRANT_REF, MAPS, BATCH, 0);
    passHandles();
    mapper.mustSucceed(CALL, GrantOpLayout.UNMAP_GRANT_REF, UNMAPS, BATCH, 0);
    mustBeOkay(arguments.getShort(4096 + GrantOpLayout.UNMAP_STATUS));
  }

  /**
   * What of {@link #mapAndUnmap} is the guest's own: the handles go from one array to the other.
   */
  @Benchmark
  @OperationsPerInvocation(BATCH)
  public void passHandles() {
    for (int i = 0; i < BATCH; i++) {
      long map = (long) i * GrantOpLayout.MAP_SIZE;
      mustBeOkay(arguments.getShort(map + GrantOpLayout.MAP_STATUS));
      arguments.putInt(
          4096 + (long) i * GrantOpLayout.UNMAP_SIZE + GrantOpLayout.UNMAP_HANDLE,
          arguments.getInt(map + GrantOpLayout.MAP_HANDLE));
    }
  }

  /** A copy of 4 KiB to a page that the copy before was made to, too. */
  @Benchmark
  @MappingPath(
      value = "grant",
      what = "4 KiB of a batch of 32 are copied, always to one page",
      floor = "plainCopy")
  @OperationsPerInvocation(BATCH)
  public void copyToOnePage() {
    copy(COPIES);
  }

  /** A copy of 4 KiB to another page than the copy before. */
  @Benchmark
  @MappingPath(
      value = "grant",
      what = "4 KiB of a batch of 32 are copied, to another page each",
      floor = "plainCopyToOtherPages")
  @OperationsPerInvocation(BATCH)
  public void copyToOtherPages() {
    copy(SCATTERED);
  }

  /** The lower bound of {@link #copyToOtherPages}. */
  @Benchmark
  @OperationsPerInvocation(BATCH)
  public void plainCopyToOtherPages() {
    for (int i = 1; i <= BATCH; i++) {
      MemorySegment.copy(plain, 0, plain, i * 4096L, 4096);
    }
  }

  /** The lower bound of {@link #copyToOnePage}. */
  @Benchmark
  @OperationsPerInvocation(BATCH)
  public void plainCopy() {
    for (int i = 0; i < BATCH; i++) {
      MemorySegment.copy(plain, 0, plain, 4096, 4096);
    }
  }

  private void copy(long array) {
    mapper.mustSucceed(CALL, GrantOpLayout.COPY, array, BATCH, 0);
    mustBeOkay(arguments.getShort((array - MAPS) + GrantOpLayout.COPY_STATUS));
  }

  private static void mustBeOkay(int status) {
    if (status != 0) {
      throw new IllegalStateException("what failed must not pass for fast: status=" + status);
    }
  }
}
