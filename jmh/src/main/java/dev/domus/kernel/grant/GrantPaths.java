package dev.domus.kernel.grant;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.mmu.FrameReferences;
import dev.domus.kernel.mmu.GrantEntries;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Grants without the page-table work: pins, references and handles on a real frame table, and
 * copies. In the package of what it measures, whose operations are not public. Run with {@code
 * -prof gc}: only {@link #window} may allocate.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class GrantPaths {
  private static final int FRAMES = 64, REF = 9, OWN = 20, GRANTED = 21;
  private static final Vcpu NOBODY = null;

  private Machine machine;
  private GrantTable granter;
  private GrantTable mapper;
  private GrantWindows windows;

  private static final GrantEntries NO_TABLES =
      new GrantEntries() {
        @Override
        public int install(Vcpu v, long hostAddress, long entry, boolean containsPte) {
          return 0;
        }

        @Override
        public int remove(
            Vcpu v, long hostAddress, long mfn, boolean writable, boolean containsPte) {
          return 0;
        }

        @Override
        public int replace(Vcpu v, long hostAddress, long newAddress, long mfn, boolean writable) {
          return 0;
        }
      };

  private static final class Machine implements GrantMachine, FrameReferences {
    final MachineMemory memory = MachineMemory.reserve((long) FRAMES << 12);
    final FrameTable table = new FrameTable(FRAMES);
    final CodeFrames code = new CodeFrames(FRAMES);
    final GrantTable[] tables = new GrantTable[3];
    private long nextSpecial = 30;

    @Override
    public Optional<GrantTable> grants(int domid) {
      return Optional.of(tables[domid]);
    }

    @Override
    public boolean mayControl(int callerDomid, int targetDomid) {
      return false;
    }

    @Override
    public MemorySegment memory() {
      return memory.segment();
    }

    @Override
    public CodeFrames codeFrames() {
      return code;
    }

    @Override
    public FrameReferences frameReferences() {
      return this;
    }

    @Override
    public long allocateSpecial(int domid) {
      return nextSpecial++;
    }

    @Override
    public void freeSpecial(long mfn) {}

    @Override
    public boolean get(int domid, long mfn) {
      return table.get(mfn, domid);
    }

    @Override
    public void put(long mfn) {
      table.put(mfn);
    }

    @Override
    public boolean getWritable(int domid, long mfn) {
      return table.get(mfn, domid) && table.takeType(mfn, FrameTable.WRITABLE) == FrameTable.TAKEN;
    }

    @Override
    public void putWritable(long mfn) {
      table.putType(mfn);
      table.put(mfn);
    }
  }

  /** Domain 1 grants a frame to domain 2. */
  @Setup
  public void grant() {
    machine = new Machine();
    granter = new GrantTable(1, machine);
    mapper = new GrantTable(2, machine);
    machine.tables[1] = granter;
    machine.tables[2] = mapper;
    machine.table.assign(GRANTED, 1);
    machine.table.assign(OWN, 2);
    granter.seed(REF, 2, GRANTED);
    windows = new GrantWindows(2, machine);
  }

  /** Gives the memory back. */
  @TearDown
  public void free() {
    machine.table.close();
    machine.memory.close();
  }

  /** map_grant_ref and unmap_grant_ref, writable, but for the page-table entry and the flush. */
  @Benchmark
  public int mapAndUnmap() {
    GrantMappings mappings = mapper.mappings();
    int handle = mappings.map(NOBODY, NO_TABLES, 0x1000, GrantMappings.HOST_MAP, REF, 1);
    return mappings.unmap(NOBODY, NO_TABLES, 0x1000, 0, handle);
  }

  /** A service domain maps and unmaps the grant. */
  @Benchmark
  public GrantWindows.Result window() {
    GrantWindows.Result result = windows.map(1, REF, true);
    ((GrantWindows.Mapped) result).close();
    return result;
  }

  /** The baseline: a copy of 4 KiB, unchecked. */
  @Benchmark
  public void plainCopy() {
    MemorySegment memory = machine.memory();
    MemorySegment.copy(memory, (long) OWN << 12, memory, (long) GRANTED << 12, 4096);
  }

  /** A grant copy of 4 KiB out of an own frame. */
  @Benchmark
  public int grantCopy() {
    return GrantCopy.copy(
        mapper, OWN, Domid.SELF, 0, REF, 1, 0, 4096, GrantCopy.DESTINATION_IS_REF);
  }
}
