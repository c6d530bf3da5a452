package dev.domus.jmh;

import dev.domus.bench.MappingPath;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.memory.FrameTable;
import dev.domus.memory.Window;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Validated page-table updates through the hypercall entry, one domain a thread on one machine. All
 * figures are an entry (or a hypercall, or a table) each.
 *
 * <p>Two floors stand beside them: {@link #rawStores}, the stores alone, and {@link #references},
 * the four reference counts that replacing a leaf has to move, taken and put by hand. {@link
 * #nullHypercall} is what any hypercall costs. Run with {@code -prof gc}: nothing may be allocated;
 * with {@code -t 1} and {@code -t 2} for the scaling over domains.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class PageTableUpdates {
  private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();
  private static final int BATCH = 128, REQUEST = 16;
  private static final int ARRAYS = 16, FIRST_INDEX = 256, FIRST_PFN = 600, SPARE_L1 = 100;
  private static final int PIN_L1 = 0, UNPIN = 4, VERSION = 0;
  private static final long LEAF = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;

  /** The machine that all threads share. */
  @State(Scope.Benchmark)
  public static class Shared {
    private final BenchGuests machine = new BenchGuests();

    /** Takes it down. */
    @TearDown
    public void close() {
      machine.close();
    }

    private synchronized BenchGuests.Guest build() {
      return machine.build();
    }
  }

  private BenchGuests.Guest guest;
  private Window requests;
  private long arrays;
  private long[] batches;
  private FrameTable frames;
  private MemorySegment raw;
  private boolean other;

  /** Writes the requests: to one set of frames, to another, to nothing, and with other flags. */
  @Setup
  public void build(Shared shared) {
    guest = shared.build();
    requests = guest.map(ARRAYS, 4);
    arrays = (long) ARRAYS << 12;
    batches = new long[4];
    long table = guest.mfn(BenchGuests.UPPER_L1) << 12;
    for (int set = 0; set < 4; set++) {
      batches[set] = arrays + ((long) set << 12);
      for (int i = 0; i < BATCH; i++) {
        long at = ((long) set << 12) + (long) i * REQUEST;
        long entry =
            switch (set) {
              case 0 -> Pte.of(guest.mfn(FIRST_PFN + i), LEAF);
              case 1 -> Pte.of(guest.mfn(FIRST_PFN + BATCH + i), LEAF);
              case 2 -> 0;
              default -> Pte.of(guest.mfn(FIRST_PFN + i), LEAF & ~Pte.W);
            };
        requests.putLong(at, table + 8L * (FIRST_INDEX + i));
        requests.putLong(at + 8, entry);
      }
    }
    update(0, BATCH);
    try (Window spare = guest.map(SPARE_L1, 1)) {
      for (int i = 0; i < Pte.ENTRIES; i++) {
        spare.putLong(8L * i, Pte.of(guest.mfn(FIRST_PFN + i % BATCH), Pte.P | Pte.U));
      }
    }
    requests.putLong((2L << 12) + 2048, PIN_L1);
    requests.putLong((2L << 12) + 2056, guest.mfn(SPARE_L1));
    requests.putLong((2L << 12) + 2072, UNPIN);
    requests.putLong((2L << 12) + 2080, guest.mfn(SPARE_L1));
    guest.mustSucceed(
        HypercallNumber.UPDATE_VA_MAPPING,
        (long) SPARE_L1 << 12,
        Pte.of(guest.mfn(SPARE_L1), LEAF & ~Pte.W),
        0,
        0);
    frames = new FrameTable(4 * BATCH);
    for (int i = 0; i < 2 * BATCH; i++) {
      frames.assign(i, 1);
    }
    raw = Arena.ofAuto().allocate(4096, 4096);
  }

  /** Checks that the updates were made, and lets the requests go. */
  @TearDown
  public void check() {
    update(1, BATCH);
    try (Window table = guest.mapReadOnly(BenchGuests.UPPER_L1)) {
      for (int i = 0; i < BATCH; i++) {
        if (Pte.mfn(table.getLong(8L * (FIRST_INDEX + i))) != guest.mfn(FIRST_PFN + BATCH + i)) {
          throw new IllegalStateException("entry not updated: index=" + (FIRST_INDEX + i));
        }
      }
    }
    requests.close();
    frames.close();
  }

  private void update(int set, int count) {
    guest.mustSucceed(HypercallNumber.MMU_UPDATE, batches[set], count, 0, Domid.SELF);
  }

  /** The floor of any update: ordered stores of eight bytes. */
  @Benchmark
  @OperationsPerInvocation(BATCH)
  public void rawStores() {
    for (int i = 0; i < BATCH; i++) {
      WORD.setVolatile(raw, 8L * i, (long) i);
    }
  }

  /** The floor of a remap: references on the new frame taken, on the old one put. */
  @Benchmark
  @OperationsPerInvocation(BATCH)
  public int references() {
    int sum = 0;
    for (int i = 0; i < BATCH; i++) {
      frames.get(i, 1);
      sum += frames.takeType(i, FrameTable.WRITABLE);
      sum += frames.putType(i);
      frames.put(i);
    }
    return sum;
  }

  /** The baseline of every hypercall: xen_version(0). */
  @Benchmark
  @MappingPath(
      value = "null-hypercall",
      what = "xen_version(0) through the table, without the engine",
      floor = "rawStores")
  public long nullHypercall() {
    return guest.call(HypercallNumber.XEN_VERSION, VERSION, 0, 0, 0);
  }

  /** 128 entries that map a page each are made to map another. */
  @Benchmark
  @MappingPath(
      value = "page-table-update",
      what = "an entry of a batch of 128 maps another page",
      floor = "references",
      threads = {1, 2})
  @OperationsPerInvocation(BATCH)
  public void batchRemap() {
    other = !other;
    update(other ? 1 : 0, BATCH);
  }

  /** 128 entries are cleared and set again. */
  @Benchmark
  @MappingPath(
      value = "page-table-update",
      what = "an entry of a batch of 128 is cleared, or set",
      floor = "rawStores",
      threads = {1, 2})
  @OperationsPerInvocation(2 * BATCH)
  public void batchUnmapAndMap() {
    update(2, BATCH);
    update(0, BATCH);
  }

  /** 128 entries lose and get write access. */
  @Benchmark
  @MappingPath(
      value = "page-table-update",
      what = "an entry of a batch of 128 loses or gets write access",
      floor = "rawStores")
  @OperationsPerInvocation(2 * BATCH)
  public void batchProtect() {
    update(3, BATCH);
    update(0, BATCH);
  }

  /** One entry, one hypercall. */
  @Benchmark
  @MappingPath(
      value = "page-table-update",
      what = "one mmu_update of one entry, the whole hypercall",
      floor = "nullHypercall",
      threads = {1, 2})
  public void singleRemap() {
    other = !other;
    update(other ? 1 : 0, 1);
  }

  /** One entry by the address that it maps, without a flush. */
  @Benchmark
  @MappingPath(
      value = "page-table-update",
      what = "one update_va_mapping, the whole hypercall",
      floor = "nullHypercall")
  public void updateVaMapping() {
    other = !other;
    guest.mustSucceed(
        HypercallNumber.UPDATE_VA_MAPPING,
        512L + FIRST_INDEX << 12,
        Pte.of(guest.mfn(other ? FIRST_PFN + BATCH : FIRST_PFN), LEAF),
        0,
        0);
  }

  /** A full L1 table becomes one, and ceases to be one; an entry each way. */
  @Benchmark
  @MappingPath(
      value = "page-table-update",
      what = "an entry of a full L1 table that is pinned, or unpinned",
      floor = "rawStores",
      threads = {1, 2})
  @OperationsPerInvocation(2 * Pte.ENTRIES)
  public void pinAndUnpin() {
    guest.mustSucceed(HypercallNumber.MMUEXT_OP, batches[2] + 2048, 2, 0, Domid.SELF);
  }
}
