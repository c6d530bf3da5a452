package dev.domus.kernel.model;

import static dev.domus.kernel.model.Step.Whom.NEIGHBOUR;
import static dev.domus.kernel.model.Step.Whom.OWN_ID;
import static dev.domus.kernel.model.Step.Whom.THIRD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.grant.GrantScan;
import dev.domus.kernel.grant.MappedGrants;
import dev.domus.kernel.mmu.MachineScan;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.kernel.trap.Vector;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineToPhys;
import dev.domus.memory.Window;
import dev.domus.memory.paging.PageWalk;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A machine with three domains, one of which is privileged, and its model. Each operation is
 * carried out on both; afterwards their answers, the contents of all frames, and the whole frame
 * table have to be the same.
 *
 * <p>Arguments lie in the calling domain's page {@link #ARGUMENTS}. A domain that can no longer
 * write there (it may do to its tables what it likes) is destroyed and built again before its next
 * operation.
 */
final class Twin implements AutoCloseable {
  static final int DOMAINS = 3;

  /** The one that may act on the others. */
  static final int PRIVILEGED = 2;

  /** Frames of the machine, and the first of some beyond its memory. */
  static final long FRAMES = 1024, FIRST_IO_FRAME = FRAMES + 16;

  /** Sequences use grant references below this, and a few others. */
  private static final int FEW_REFS = 8;

  /** Most windows that are open at a time. */
  private static final int WINDOWS = 4;

  /** Virtual addresses of the page of arguments and what lies in it. */
  static final long ARGUMENTS = 6 << 12,
      LIST = ARGUMENTS + 0x800,
      OUT_LIST = ARGUMENTS + 0xA00,
      VCPU_SET = ARGUMENTS + 0xE00,
      DONE = ARGUMENTS + 0xF00;

  /** Where a vcpu_guest_context lies, over two pages, and the handlers that it names. */
  static final long CONTEXT = 5 << 12, HANDLER = 0x8000;

  /** Where a domain's grant table is mapped to begin with. */
  private static final long GRANT_TABLE = 40 << 12;

  private static final long STACK = TinyMachine.STACK - 8, AT = 0x4321;
  private static final int STACK_SLOT = 15, M2P_SLOT = 256;

  /**
   * Pages from the one on are not mapped to begin with, so that they can be given back; from the
   * other on they are mapped read-only, so that they can become tables.
   */
  static final int FIRST_UNUSED_SLOT = 16, FIRST_TABLE_SLOT = 20;

  private final TinyMachine machine;
  private final MemorySegment memory;
  private final FrameTable table;
  private final FrameComparison comparison;
  private final Domain[] domains = new Domain[DOMAINS];
  private final ScriptedVcpu[][] guests = new ScriptedVcpu[DOMAINS][ModelDomain.VCPUS];
  private final Translations[][] translations = new Translations[DOMAINS][ModelDomain.VCPUS];
  private final Rights rights = new Rights();
  private final List<OpenWindow> windows = new ArrayList<>();

  /** Where the host parts of live mappings were put, by domain and handle. */
  private final List<Map<Integer, Long>> hostAddresses = new ArrayList<>();

  private int built;
  private MemoryModel model;

  /** Whether a hypercall of this step was preempted. */
  private boolean interrupted;

  /** What was done, for the report. */
  private final Tally tally;

  private record OpenWindow(Window window, long mfn, boolean writable) {}

  /** Makes a machine whose vCPUs have slices as a scheduler gives them. */
  Twin(Tally tally, SchedulerFactory scheduler) {
    this.tally = tally;
    machine = new TinyMachine(scheduler, DOMAINS * ModelDomain.VCPUS, FRAMES << 12);
    memory = machine.hypervisor().memory();
    table = machine.hypervisor().machineFrames().table();
    comparison = new FrameComparison(machine.hypervisor());
    for (int i = 0; i < DOMAINS; i++) {
      hostAddresses.add(new HashMap<>());
      build(i);
    }
  }

  MemoryModel model() {
    return model;
  }

  int domid(int domain) {
    return domains[domain].domid();
  }

  ModelDomain state(int domain) {
    return model.domain(domid(domain));
  }

  // ---- steps

  /** Carries out a step and compares. */
  void step(Step step) {
    int domain = step.domain();
    state(domain).acting = state(domain).vcpus[step.vcpu()].online ? step.vcpu() : 0;
    if (!canAct(domain)) {
      state(domain).acting = 0;
    }
    if (!canAct(domain)) {
      rebuild(domain);
      assertTrue(canAct(domain), "a new domain can do anything");
    }
    begin();
    step.run(this);
    requireForgotten();
    compare();
  }

  private void begin() {
    model.frames.lookedAt.clear();
    model.owed.clear();
    interrupted = false;
    for (int d = 0; d < DOMAINS; d++) {
      for (int v = 0; v < ModelDomain.VCPUS && guests[d][v] != null; v++) {
        translations[d][v].begin();
      }
    }
    for (ModelFrame f : model.frames.frames.values()) {
      if (f.opaque) {
        load(f);
      }
    }
  }

  private ScriptedVcpu guest(int domain) {
    return guests[domain][state(domain).acting];
  }

  private Vcpu vcpu(int domain) {
    return domains[domain].vcpu(state(domain).acting);
  }

  /** Says whether the domain can write its arguments and its stack; touches both. */
  private boolean canAct(int domain) {
    long l4 = model.table(domid(domain));
    try {
      boolean plain = !model.frames.walk(l4, ARGUMENTS, true).opaque;
      ModelFrame stack = model.frames.walk(l4, STACK, true);
      vcpu(domain).guest().requireWritable(ARGUMENTS, 8);
      vcpu(domain).guest().requireWritable(STACK, 8);
      return plain && stack.opaque;
    } catch (Refused unmapped) {
      return false;
    }
  }

  /** Says whether the domain can write a page of its arguments; touches it. */
  boolean reaches(int domain, long va) {
    try {
      boolean plain = !model.frames.walk(model.table(domid(domain)), va, true).opaque;
      vcpu(domain).guest().requireWritable(va, 8);
      return plain;
    } catch (Refused unmapped) {
      return false;
    }
  }

  /** The guest's program stores a word where it can. */
  void put(int domain, long va, long value) {
    model.write(domid(domain), va, value);
    vcpu(domain).guest().putLong(va, value);
  }

  /** Makes a hypercall on the machine. */
  long call(int domain, int number, long... arguments) {
    int continuedBefore = guest(domain).continued();
    long result = guest(domain).hypercall(number, arguments);
    if (guest(domain).continued() > continuedBefore) {
      tally.count("hypercall " + number + " preempted", "continued");
      interrupted = true;
    }
    return result;
  }

  /** Compares the two answers. */
  void same(String operation, long expected, long actual) {
    same(operation, expected, actual, expected >= 0 ? "done" : "-" + Errno.name((int) -expected));
  }

  /** Compares the two answers, which the report calls by a name. */
  void same(String operation, long expected, long actual, String outcome) {
    tally.count(operation, outcome);
    assertEquals(expected, actual, operation + " answers");
  }

  /**
   * Requires that translations were dropped where the operation promises that. Another vCPU drops
   * them when it next enters the guest.
   */
  private void requireForgotten() {
    for (Owed owed : model.owed) {
      for (int d = 0; d < DOMAINS; d++) {
        if (domid(d) == owed.domid() && state(d).vcpus[owed.vcpu()].online) {
          Translations known = translations[d][owed.vcpu()];
          if (!known.settles(owed, model.frames)) {
            guests[d][owed.vcpu()].step(s -> Exit.BUDGET);
          }
          assertTrue(known.settles(owed, model.frames), () -> owed + ", but" + known);
          boolean kept = owed.what() == Owed.What.UNTRUE && !known.isEmpty();
          tally.count("owed " + owed.what(), kept ? "true ones kept" : "done");
        }
      }
    }
  }

  /** increase_reservation, decrease_reservation, populate_physmap. */
  long reservation(int domain, Step.Whom owner, int command, long list, int count, int order) {
    put(domain, ARGUMENTS, list);
    put(domain, ARGUMENTS + 8, count);
    put(domain, ARGUMENTS + 16, order);
    put(domain, ARGUMENTS + 24, owner.id(this, domain));
    return call(domain, HypercallNumber.MEMORY_OP, command, ARGUMENTS);
  }

  /** How many frames the domain may yet have. */
  long room(int domain) {
    return TinyMachine.GUEST_PAGES - model.reservations.pages(domid(domain));
  }

  /** Names new frames of the domain's. */
  private void keep(int domain, long mfn, int count) {
    long[] slots = state(domain).slots;
    for (long each = mfn; each < mfn + count; each++) {
      for (int slot = FIRST_UNUSED_SLOT; slot < slots.length; slot++) {
        if (slots[slot] < 0) {
          slots[slot] = each;
          break;
        }
      }
    }
  }

  /** Names frames that have no name. */
  private void keepFresh(int domain) {
    ModelDomain d = state(domain);
    Set<Long> named = Arrays.stream(d.slots).boxed().collect(Collectors.toSet());
    for (ModelFrame f : model.frames.frames.values()) {
      if (f.owner == d.domid && !f.special && !named.contains(f.mfn)) {
        keep(domain, f.mfn, 1);
      }
    }
  }

  /** Forgets the names of frames that are no longer the domain's. */
  private void forgetGone(int domain) {
    ModelDomain d = state(domain);
    for (int slot = 0; slot < d.slots.length; slot++) {
      ModelFrame f = model.frames.frames.get(d.slots[slot]);
      d.slots[slot] = f == null || f.owner != d.domid ? -1 : f.mfn;
    }
  }

  /** What the machine has stored at an address that the model knows as the guest's. */
  long stored(int domain, long va) {
    return word(
        model.frames.walk(model.table(domid(domain)), va, false).mfn, (int) (va >>> 3) & 511);
  }

  /** The same; all ones where nothing is mapped. */
  long known(int domain, long va) {
    try {
      return stored(domain, va);
    } catch (Refused unmapped) {
      return -1;
    }
  }

  /** Says whether a table of the domain's maps a frame writable. */
  boolean mapsWritable(int domain, long mfn) {
    for (ModelFrame table : model.frames.frames.values()) {
      for (int i = 0; i < 512 && table.owner == domid(domain) && table.isInUseAs(1); i++) {
        long leaf = table.words[i];
        if (FrameModel.isPresent(leaf) && FrameModel.isWritable(leaf) && Pte.mfn(leaf) == mfn) {
          return true;
        }
      }
    }
    return false;
  }

  /** A word of a frame on the machine. */
  long word(long mfn, int index) {
    return memory.get(ValueLayout.JAVA_LONG, (mfn << 12) + 8L * index);
  }

  /** The guest's program stores a word to a frame that it has mapped writable. */
  void setWord(ModelFrame f, int index, long value) {
    memory.set(ValueLayout.JAVA_LONG, (f.mfn << 12) + 8L * index, value);
    f.set(index, value);
  }

  /** A store that faults on a read-only page: whether it has taken effect. */
  boolean store(int domain, long va, long value) {
    guest(domain)
        .onStepOver((s, page, mfn) -> {
          memory.set(ValueLayout.JAVA_LONG, (mfn << 12) + (va & 4095), value);
          s.rip += 3;
          s.retired++;
          return Exit.BUDGET;
        });
    return raise(domain, Vector.PF, 7, va).rip == AT + 3;
  }

  /** The use of a selector faults: whether the instruction is tried again. */
  boolean useLdt(int domain, int selector) {
    return raise(domain, Vector.GP, selector & ~3 | 4, 0).rip == AT;
  }

  private CpuState raise(int domain, int vector, int errorCode, long address) {
    CpuState after =
        guest(domain)
            .step(s -> {
              s.rip = AT;
              s.gpr[CpuState.RSP] = TinyMachine.STACK;
              return ScriptedVcpu.exception(s, vector, errorCode, address);
            });
    return after;
  }

  /** The guest's program uses an address; its processor may keep the translation. */
  void touch(int domain, long va, boolean write) {
    ModelVcpu v = state(domain).vcpu();
    boolean faults = vcpu(domain).guest().walk(va, write ? PageWalk.WRITE : 0) < 0;
    if (Pte.index(va, 4) == M2P_SLOT) {
      same("use of the M2P", write ? -Errno.EFAULT : 0, faults ? -Errno.EFAULT : 0);
      return;
    }
    try {
      ModelFrame f = model.frames.walk(v.kernelTable, va, write);
      translations[domain][state(domain).acting].add(v.kernelTable, va, f.mfn, write);
      same("use of an address", 0, faults ? -Errno.EFAULT : 0);
    } catch (Refused fault) {
      same("use of an address", -fault.errno, faults ? -Errno.EFAULT : 0);
    }
  }

  // ---- grants, windows, rights

  /** Entries of a type in all grant tables that are made out to a domain. */
  List<GrantStep.Grant> offers(int domain, int type) {
    List<GrantStep.Grant> offers = new ArrayList<>();
    for (Step.Whom granter : List.of(NEIGHBOUR, THIRD, OWN_ID)) {
      long[] entries = model.frames.frames.get(state(granter.domain(domain)).grantFrame).words;
      for (int ref = 0; ref < FEW_REFS; ref++) {
        if ((entries[ref] & 3) == type && (entries[ref] >>> 16 & 0xFFFF) == domid(domain)) {
          offers.add(new GrantStep.Grant(granter, ref));
        }
      }
    }
    return offers;
  }

  /**
   * What the hypervisor has called a mapping that it has just made.
   *
   * @param at where it has told the guest, unless the guest has seen to it that it cannot be told
   */
  int freshHandle(int domain, long at, long hostAddress) {
    int handle;
    try {
      ModelFrame f = model.frames.walk(model.table(domid(domain)), at, true);
      handle = (int) (word(f.mfn, (int) (at >>> 3) & 511) >>> 32);
    } catch (Refused unmapped) {
      Set<Integer> unknown = MappedGrants.handles(domains[domain].grants());
      unknown.removeAll(state(domain).handles.keySet());
      handle = unknown.iterator().next();
    }
    hostAddresses.get(domain).put(handle, hostAddress);
    return handle;
  }

  /** Where the host part of a mapping was put; −1 if there is no such mapping. */
  long addressOf(int domain, int handle) {
    return hostAddresses.get(domain).getOrDefault(handle, -1L);
  }

  /** A domain may reach a frame from now on, if it was a privileged one that saw to that. */
  void allow(int caller, int mapper, long mfn) {
    ModelFrame f = model.frames.frames.get(mfn);
    if (caller == PRIVILEGED && f != null) {
      rights.allow(domid(mapper), mfn, f.owner);
    }
  }

  void permitIo(int domain, long mfn, boolean allowed) {
    machine.control().permitIoMemory(domid(domain), mfn, 1, allowed);
    model.permitIo(domid(domain), mfn, allowed);
    rights.allowIo(domid(domain), mfn);
  }

  void open(int domain, int pfn, boolean writable) {
    if (windows.size() == WINDOWS) {
      return;
    }
    long mfn = domains[domain].mmu().p2m().mfn(pfn);
    int expected = model.open(domid(domain), mfn, writable);
    int actual = 0;
    try {
      Window window = machine.control().mapForeign(domid(domain), pfn, 1, writable);
      windows.add(new OpenWindow(window, mfn, writable));
    } catch (HypercallException refused) {
      actual = -refused.errno();
    }
    same("window opened", expected, actual);
  }

  void close(int which) {
    if (!windows.isEmpty()) {
      OpenWindow w = windows.remove(which % windows.size());
      w.window.close();
      model.close(w.mfn, w.writable);
      same("window closed", 0, 0);
    }
  }

  // ---- birth and death

  void rebuild(int domain) {
    machine.control().destroyDomain(domid(domain));
    model.destroy(domid(domain));
    domains[domain] = null;
    compare();
    build(domain);
  }

  private void build(int i) {
    Domain d =
        i == PRIVILEGED
            ? machine.buildPrivileged(ModelDomain.VCPUS)
            : machine.build(ModelDomain.VCPUS);
    d.grants().grow(1);
    domains[i] = d;
    for (int v = 0; v < ModelDomain.VCPUS; v++) {
      guests[i][v] = machine.engine().vcpu(built++);
      translations[i][v] = new Translations();
      guests[i][v].onInvalidate(translations[i][v]::forget);
    }
    hostAddresses.get(i).clear();
    if (model == null) {
      long m2pEntry = word(d.mmu().p2m().mfn(0), 256);
      model = new MemoryModel(new FrameModel(table.frames(), m2pEntry));
      MachineToPhys m2p = machine.hypervisor().machineFrames().m2p();
      for (long mfn = m2p.firstFrame(); mfn < m2p.endFrame(); mfn++) {
        model.frames.frames.put(mfn, asItIs(mfn, true));
      }
    }
    birth(d);
    machine.control().unpause(d.domid());
    guest(i).hypercall(HypercallNumber.VCPU_OP, 7, 0); // no periodic timer
    long[] traps = {Vector.PF | 0xE033L << 16, HANDLER, Vector.GP | 0xE033L << 16, HANDLER, 0, 0};
    for (int word = 0; word < traps.length; word++) {
      put(i, ARGUMENTS + 8L * word, traps[word]);
    }
    assertEquals(0, call(i, HypercallNumber.SET_TRAP_TABLE, ARGUMENTS));
    for (int slot = FIRST_UNUSED_SLOT; slot < TinyMachine.GUEST_PAGES; slot++) {
      boolean used = slot >= FIRST_TABLE_SLOT;
      map(i, (long) slot << 12, used ? Pte.of(state(i).slots[slot], Pte.P | Pte.U | Pte.A) : 0);
    }
    map(i, GRANT_TABLE, Pte.of(state(i).grantFrame, Pte.P | Pte.W | Pte.U | Pte.A));
    begin();
    compare();
  }

  private void map(int domain, long va, long entry) {
    assertEquals(0, call(domain, HypercallNumber.UPDATE_VA_MAPPING, va, entry, 2));
    assertEquals(0, model.updateVa(domid(domain), va, entry, 2, MemoryModel.SELF));
  }

  /** Takes over what a new domain consists of; from here on the model goes its own way. */
  private void birth(Domain d) {
    boolean privileged = d.spec().privileged();
    ModelDomain state = new ModelDomain(d.domid(), TinyMachine.GUEST_PAGES, privileged);
    model.domains.put(d.domid(), state);
    state.grantFrame = d.grants().frame(0);
    state.sharedInfo = d.sharedInfo() >>> 12;
    for (long mfn = 0; mfn < table.frames(); mfn++) {
      if (table.owner(mfn) == d.domid()) {
        long pfn = machine.hypervisor().machineFrames().m2p().pfn(mfn);
        boolean opaque = mfn == state.sharedInfo || pfn == STACK_SLOT;
        ModelFrame f = asItIs(mfn, opaque);
        if (!f.special) {
          f.references = 1;
          f.typeCount = 0;
          f.type = ModelFrame.NONE;
          f.pinned = false;
          state.slots[(int) pfn] = mfn;
        }
        model.frames.frames.put(mfn, f);
      }
    }
    model.pin(d.domid(), 4, state.slots[0]);
    state.vcpus[0].initialised = true;
    state.vcpus[0].online = true;
    state.vcpus[0].kernelTable = model.frames.hold(state.slots[0], d.domid(), 4).mfn;
  }

  private ModelFrame asItIs(long mfn, boolean opaque) {
    ModelFrame f = new ModelFrame(mfn, table.owner(mfn), table.isSpecial(mfn), opaque);
    f.pfn = machine.hypervisor().machineFrames().m2p().pfn(mfn);
    f.references = table.references(mfn);
    f.allocated = table.isAllocated(mfn);
    f.pinned = table.isPinned(mfn);
    f.typeCount = table.typeCount(mfn);
    f.type = f.typeCount > 0 ? table.type(mfn) : ModelFrame.NONE;
    f.settled = f.typeCount > 0;
    load(f);
    return f;
  }

  private void load(ModelFrame f) {
    long[] words = new long[512];
    MemorySegment.copy(memory, ValueLayout.JAVA_LONG, f.mfn << 12, words, 0, 512);
    f.fill(words);
  }

  // ---- comparison

  private void compare() {
    comparison.compare(model.frames, interrupted);
    for (int d = 0; d < DOMAINS; d++) {
      if (domains[d] != null && model.domains.containsKey(domid(d))) {
        compareDomain(d);
      }
    }
    rights.forget((mfn, owner) -> {
      ModelFrame f = model.frames.frames.get(mfn);
      return f == null || f.owner != owner;
    });
    List<MachineScan.Held> held =
        windows.stream().map(w -> new MachineScan.Held(w.mfn, w.writable)).toList();
    MachineScan.scan(machine.hypervisor(), rights.mapped(), rights.io(), held);
    GrantScan.scan(machine.hypervisor(), FEW_REFS);
  }

  private void compareDomain(int d) {
    forgetGone(d);
    keepFresh(d);
    ModelDomain state = state(d);
    for (int i = 0; i < ModelDomain.VCPUS; i++) {
      Vcpu v = domains[d].vcpu(i);
      assertEquals(state.vcpus[i].kernelTable, v.kernelTable(), "kernel's base pointer");
      assertEquals(state.vcpus[i].userTable, v.userTable(), "user's base pointer");
      requireFresh(d, i);
    }
    assertEquals(
        state.handles.keySet(), MappedGrants.handles(domains[d].grants()), "handles of d" + d);
  }

  /** A vCPU that kept a translation must not reach by it what it may not reach. */
  private void requireFresh(int d, int v) {
    Translations known = translations[d][v];
    ModelVcpu state = state(d).vcpus[v];
    if (state.online && known.isBad(model.frames, domid(d), state)) {
      guests[d][v].step(s -> Exit.BUDGET); // it drops them when it next enters the guest
      assertFalse(known.isBad(model.frames, domid(d), state), () -> "d" + d + " vCPU " + v + known);
    }
  }

  /** All domains die, and nothing is left. */
  void end() {
    GrantScan.scan(machine.hypervisor());
    for (int i = 0; i < DOMAINS; i++) {
      int domid = domid(i);
      begin();
      machine.control().destroyDomain(domid);
      model.destroy(domid);
      compare();
    }
    while (!windows.isEmpty()) {
      close(0);
      compare();
    }
    boolean empty = model.frames.frames.values().stream().allMatch(f -> f.owner == MemoryModel.XEN);
    assertTrue(empty, "all frames are back");
  }

  @Override
  public void close() {
    machine.close();
  }
}
