package dev.domus.toolstack.build;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Denial;
import dev.domus.kernel.control.CallCount;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.control.PciDevice;
import dev.domus.kernel.control.PoolInfo;
import dev.domus.kernel.control.SwapResult;
import dev.domus.kernel.control.VcpuStart;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.service.HypercallException;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.Window;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * A hypervisor of one domain for tests of the builder: frames are real memory behind real windows,
 * everything else is written down. Machine frames run against guest frames, so that taking one for
 * the other does not go unnoticed.
 */
public final class FakeControl implements Control {
  static final int DOMID = 7;
  static final long SHARED_INFO_MFN = 3;
  private static final long FIRST_MFN = 16;

  /** A grant that was seeded. */
  record Grant(int ref, int grantee, long pfn) {}

  final List<Grant> grants = new ArrayList<>();
  final List<String> pinned = new ArrayList<>();
  final CodeFrames codeFrames;
  private final MemorySegment memory;
  private final long frames;
  private final Arena arena = Arena.ofShared();
  private BooleanSupplier failure = () -> false;
  private int openWindows;
  private long claimed;
  private long populated;
  private int ports;
  DomainSpec spec;
  VcpuStart start;
  boolean exists;

  public boolean exists() {
    return exists;
  }

  public FakeControl(long frames) {
    this.frames = frames + FIRST_MFN;
    memory = arena.allocate(this.frames * 4096, 4096);
    codeFrames = new CodeFrames((int) this.frames);
  }

  /** Makes the n-th call that could be refused fail. */
  FakeControl failingAtCall(int n) {
    int[] calls = {0};
    failure = () -> ++calls[0] == n;
    return this;
  }

  private void mayFail(String what) {
    if (failure.getAsBoolean()) {
      throw new HypercallException(Errno.ENOMEM, what);
    }
  }

  int openWindows() {
    return openWindows;
  }

  long u64(long pfn, int offset) {
    return memory.get(ValueLayout.JAVA_LONG, (mfn(DOMID, pfn) << 12) + offset);
  }

  long machineU64(long mfn, int index) {
    return memory.get(ValueLayout.JAVA_LONG, (mfn << 12) + index * 8L);
  }

  byte[] bytes(long gpa, int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      long at = gpa + i;
      bytes[i] = memory.get(ValueLayout.JAVA_BYTE, (mfn(DOMID, at >>> 12) << 12) + (at & 4095));
    }
    return bytes;
  }

  @Override
  public int createDomain(DomainSpec wanted) {
    mayFail("create");
    spec = wanted;
    exists = true;
    return DOMID;
  }

  @Override
  public void destroyDomain(int domid) {
    exists = false;
  }

  @Override
  public void setDirtyLogging(int domid, boolean on) {
    throw new UnsupportedOperationException("no dirty logging here");
  }

  @Override
  public long[] collectDirty(int domid, long gfn, int pages) {
    throw new UnsupportedOperationException("no dirty logging here");
  }

  @Override
  public void claim(int domid, long pages) {
    mayFail("claim");
    claimed = pages;
  }

  @Override
  public void populate(int domid, long firstPfn, long count) {
    mayFail("populate");
    if (firstPfn != 0 || count > claimed || count + FIRST_MFN > frames) {
      throw new HypercallException(Errno.ENOMEM, "populate");
    }
    populated = count;
  }

  @Override
  public long mfn(int domid, long pfn) {
    return pfn >= 0 && pfn < populated ? FIRST_MFN + populated - 1 - pfn : -1;
  }

  @Override
  public Window mapForeign(int domid, long firstPfn, int pages, boolean writable) {
    mayFail("map");
    long[] mfns = new long[pages];
    for (int i = 0; i < pages; i++) {
      mfns[i] = mfn(domid, firstPfn + i);
      if (mfns[i] < 0) {
        throw new HypercallException(Errno.EINVAL, "map: pfn=" + (firstPfn + i));
      }
    }
    openWindows++;
    return Window.of(memory, codeFrames, writable, () -> openWindows--, mfns);
  }

  @Override
  public void pinTable(int domid, int level, long mfn) {
    mayFail("pin");
    pinned.add("L" + level + " " + mfn);
  }

  @Override
  public void setStart(int domid, VcpuStart wanted) {
    mayFail("start");
    start = wanted;
  }

  @Override
  public void seedGrant(int domid, int ref, int granteeDomid, long pfn) {
    mayFail("grant");
    grants.add(new Grant(ref, granteeDomid, pfn));
  }

  @Override
  public void permitIoMemory(int domid, long firstFrame, long frames, boolean allowed) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void permitIoPorts(int domid, int first, int count, boolean allowed) {
    throw new UnsupportedOperationException();
  }

  @Override
  public List<PciDevice> pciDevices() {
    return List.of();
  }

  @Override
  public void plugDevice(String model, RequesterId id, Map<String, String> options) {
    throw new AssertionError("no builder plugs devices");
  }

  @Override
  public void unplugDevice(RequesterId id) {
    throw new AssertionError("no builder unplugs devices");
  }

  @Override
  public void assignDevice(int domid, RequesterId id) {
    throw new AssertionError("no builder assigns devices");
  }

  @Override
  public void deassignDevice(int domid, RequesterId id) {
    throw new AssertionError("no builder takes devices");
  }

  @Override
  public int allocUnbound(int domid, int remoteDomid) {
    mayFail("port");
    return ++ports;
  }

  @Override
  public Optional<DomainInfo> domain(int domid) {
    return Optional.of(
        new DomainInfo(
            DOMID,
            spec.uuid(),
            DomainInfo.State.PAUSED,
            -1,
            populated,
            spec.maxPages(),
            1,
            1,
            "p",
            1,
            0,
            0,
            0,
            SHARED_INFO_MFN));
  }

  @Override
  public void pause(int domid) {}

  @Override
  public void unpause(int domid) {}

  @Override
  public void shutdown(int domid, int reason) {}

  @Override
  public List<DomainInfo> domains() {
    return List.of();
  }

  @Override
  public Optional<String> crashReport(int domid) {
    return Optional.empty();
  }

  @Override
  public List<CallCount> hypercallCounts(int domid) {
    return List.of();
  }

  @Override
  public String accessPolicy() {
    throw new AssertionError("the builder sets no policy");
  }

  @Override
  public void setAccessPolicy(String name, Optional<String> argument) {
    throw new AssertionError("the builder sets no policy");
  }

  @Override
  public List<Denial> denials() {
    throw new AssertionError("the builder sets no policy");
  }

  @Override
  public List<PoolInfo> pools() {
    return List.of();
  }

  @Override
  public void setShare(int domid, int weight, int cap) {}

  @Override
  public int typeOnConsole(byte[] text) {
    throw new AssertionError("the builder types nothing");
  }

  @Override
  public List<Integer> freePcpus() {
    throw new AssertionError("the builder changes no pools");
  }

  @Override
  public void createPool(String name, String scheduler, Map<String, String> parameters) {
    throw new AssertionError("the builder changes no pools");
  }

  @Override
  public void destroyPool(String pool) {
    throw new AssertionError("the builder changes no pools");
  }

  @Override
  public void renamePool(String pool, String newName) {
    throw new AssertionError("the builder changes no pools");
  }

  @Override
  public void addPcpu(String pool, int pcpu) {
    throw new AssertionError("the builder changes no pools");
  }

  @Override
  public void removePcpu(String pool, int pcpu) {
    throw new AssertionError("the builder changes no pools");
  }

  @Override
  public void moveDomain(int domid, String pool) {
    throw new AssertionError("the builder changes no pools");
  }

  @Override
  public void setAffinity(int domid, int vcpu, CpuMask hard, CpuMask soft) {
    throw new AssertionError("the builder changes no pools");
  }

  @Override
  public void setVcpuParameters(int domid, int vcpu, Map<String, String> parameters) {
    throw new AssertionError("the builder changes no pools");
  }

  @Override
  public SwapResult swapScheduler(String pool, String scheduler, Map<String, String> parameters) {
    throw new AssertionError("the builder changes no pools");
  }
}
