package dev.domus.kernel.grant;

import dev.domus.bench.MappingPath;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.GrantEntryLayout;
import dev.domus.kernel.mmu.AddressSpaces;
import dev.domus.kernel.mmu.FrameReferences;
import dev.domus.kernel.mmu.GrantEntries;
import dev.domus.kernel.mmu.TransferableFrames;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.Window;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Grants without the page-table work: pins, references and handles on a real frame table, and
 * copies, with tables of both versions. In the package of what it measures, whose operations are
 * not public. {@code dev.domus.jmh.GrantHypercalls} has the whole calls.
 *
 * <p>The lower bounds: {@link #atomicFloor} for a mapping's life, {@link #plainCopy} for a copy.
 * Run with {@code -prof gc}: only {@link #window} may allocate.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class GrantPaths {
  private static final int FRAMES = 64, REF = 9, PART = 10, PASSED_ON = 11, OWN = 20, GRANTED = 21;
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

  /** Version of the granting tables. */
  @Param({"1", "2"})
  public int version;

  private Machine machine;
  private GrantTable granter;
  private GrantTable mapper;
  private GrantCopy copy;

  private static final AddressSpaces FIRST =
      new AddressSpaces() {
        @Override
        public int id() {
          return 0;
        }

        @Override
        public long kernelTable() {
          return -1;
        }

        @Override
        public long userTable() {
          return -1;
        }

        @Override
        public void setKernelTable(long mfn) {}

        @Override
        public void setUserTable(long mfn) {}
      };

  private static final GrantEntries NO_TABLES =
      new GrantEntries() {
        @Override
        public int installGrant(
            AddressSpaces v, long hostAddress, long entry, boolean containsPte) {
          return 0;
        }

        @Override
        public int removeGrant(
            AddressSpaces v, long hostAddress, long mfn, boolean writable, boolean containsPte) {
          return 0;
        }

        @Override
        public int replaceGrant(
            AddressSpaces v, long hostAddress, long newAddress, long mfn, boolean writable) {
          return 0;
        }

        @Override
        public void flush() {}
      };

  private static final class Machine implements GrantMachine, FrameReferences {
    final MachineMemory memory = MachineMemory.reserve((long) FRAMES << 12);
    final FrameTable table = new FrameTable(FRAMES);
    final CodeFrames code = new CodeFrames(FRAMES);
    final GrantTable[] tables = new GrantTable[4];
    private long nextSpecial = 30;

    @Override
    public Optional<GrantTable> grants(int domid) {
      return tables[domid].found();
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
    public TransferableFrames frames() {
      throw new UnsupportedOperationException();
    }

    @Override
    public boolean isSpecialMapped(long mfn) {
      return false;
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

  /** Domain 1 grants a frame to domain 2, directly and, if it can be said, through domain 3. */
  @Setup
  public void grant() {
    machine = new Machine();
    for (int domid = 1; domid < machine.tables.length; domid++) {
      machine.tables[domid] = new GrantTable(domid, 1, machine);
      machine.tables[domid].grow(1);
      machine.tables[domid].changeVersion(version);
    }
    granter = machine.tables[1];
    mapper = machine.tables[2];
    copy = mapper.call(0).copy();
    machine.table.assign(GRANTED, 1);
    machine.table.assign(OWN, 2);
    granter.seed(REF, 2, GRANTED);
    if (version == 2) {
      int permit = GrantEntryLayout.PERMIT_ACCESS;
      entry(granter, PART, permit | GrantEntryLayout.SUB_PAGE | 2 << 16, 4096 << 16, GRANTED);
      entry(granter, PASSED_ON, permit | 3 << 16, 0, GRANTED);
      entry(machine.tables[3], REF, GrantEntryLayout.TRANSITIVE | 2 << 16, 1, PASSED_ON);
    }
  }

  private void entry(GrantTable table, int ref, int header, int part, long frame) {
    long at = (table.frame(0) << 12) + (long) ref * GrantEntryLayout.SIZE_V2;
    machine.memory().set(ValueLayout.JAVA_INT, at, header);
    machine.memory().set(ValueLayout.JAVA_INT, at + GrantEntryLayout.PART_OFFSET, part);
    machine.memory().set(ValueLayout.JAVA_LONG, at + GrantEntryLayout.FRAME_V2, frame);
  }

  /** Gives the memory back. */
  @TearDown
  public void free() {
    machine.table.close();
    machine.memory.close();
  }

  /**
   * A mapping's life in atomic operations alone: two each to reference and to put the frame, one
   * each to mark the entry and to clear it, to take the handle and to give it back, to claim the
   * mapping, and to enter and leave a page table's lock twice.
   */
  @Benchmark
  public long atomicFloor() {
    MemorySegment memory = machine.memory();
    long sum = 0;
    for (int i = 0; i < 13; i++) {
      sum += (long) LONG.getAndAdd(memory, ((long) OWN << 12) + 64L * i, 1L);
    }
    return sum;
  }

  /** map_grant_ref and unmap_grant_ref, writable, but for the page-table entry and the flush. */
  @Benchmark
  @MappingPath(
      value = "grant",
      what = "a grant is mapped and unmapped, without page table and hypercall",
      floor = "atomicFloor")
  public int mapAndUnmap() {
    GrantMappings mappings = mapper.mappings();
    int handle = mappings.map(FIRST, NO_TABLES, 0x1000, GrantMappings.HOST_MAP, REF, 1);
    int status = mappings.unmap(FIRST, NO_TABLES, 0x1000, 0, handle);
    mappings.finishUnmaps(FIRST, NO_TABLES);
    return succeeded(status);
  }

  /**
   * A service domain maps the grant, with a window on it, and unmaps it: but for the hypercalls.
   */
  @Benchmark
  public int window() {
    GrantMappings mappings = mapper.mappings();
    int handle = mappings.map(FIRST, NO_TABLES, 0, GrantMappings.DEVICE_MAP, REF, 1);
    long address = mappings.deviceAddress(handle);
    Window window =
        Window.of(
            machine.memory(), machine.code, true, () -> unmap(handle, address), address >>> 12);
    window.revoke();
    window.close();
    return succeeded(handle < 0 ? handle : 0);
  }

  private void unmap(int handle, long address) {
    succeeded(mapper.mappings().unmap(FIRST, NO_TABLES, 0, address, handle));
    mapper.mappings().finishUnmaps(FIRST, NO_TABLES);
  }

  /** The baseline: a copy of 4 KiB, unchecked. */
  @Benchmark
  public void plainCopy() {
    MemorySegment memory = machine.memory();
    MemorySegment.copy(memory, (long) OWN << 12, memory, (long) GRANTED << 12, 4096);
  }

  /** A grant copy of 4 KiB out of an own frame. */
  @Benchmark
  @MappingPath(
      value = "grant",
      what = "4 KiB are copied by one grant copy, without the hypercall",
      floor = "plainCopy")
  public int grantCopy() {
    return succeeded(copyTo(REF, 1));
  }

  /** Likewise, to a part of a page, which is all of it; of version 2 only. */
  @Benchmark
  public int grantCopyToPart() {
    return version == 2 ? succeeded(copyTo(PART, 1)) : 0;
  }

  /** Likewise, through the domain in the middle; of version 2 only. */
  @Benchmark
  public int grantCopyPassedOn() {
    return version == 2 ? succeeded(copyTo(REF, 3)) : 0;
  }

  private int copyTo(int ref, int domid) {
    return copy.copy(OWN, Domid.SELF, 0, ref, domid, 0, 4096, GrantCopy.DESTINATION_IS_REF);
  }

  private static int succeeded(int status) {
    if (status != 0) {
      throw new IllegalStateException("what failed must not pass for fast: status=" + status);
    }
    return status;
  }
}
