package dev.domus.kernel.model;

import static dev.domus.kernel.model.ModelFrame.WRITABLE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.mmu.MachineScan;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.kernel.trap.Vector;
import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * A machine with two domains and its model. Each operation is carried out on both; afterwards their
 * answers, the contents of all frames, and the whole frame table have to be the same.
 *
 * <p>Arguments lie in the calling domain's page {@link #ARGUMENTS}. A domain that can no longer
 * write there (it may do to its tables what it likes) is destroyed and built again before its next
 * operation.
 */
final class Twin implements AutoCloseable {
  static final int DOMAINS = 2;

  /** Frames of the machine. */
  static final long FRAMES = 2048;

  /** Virtual addresses of the page of arguments and what lies in it. */
  static final long ARGUMENTS = 6 << 12,
      LIST = ARGUMENTS + 0x800,
      OUT_LIST = ARGUMENTS + 0xA00,
      VCPU_SET = ARGUMENTS + 0xE00,
      DONE = ARGUMENTS + 0xF00;

  private static final long STACK = TinyMachine.STACK - 8, AT = 0x4321, HANDLER = 0x8000;
  private static final int STACK_SLOT = 15;

  /**
   * Pages from the one on are not mapped to begin with, so that they can be given back; from the
   * other on they are mapped read-only, so that they can become tables.
   */
  static final int FIRST_UNUSED_SLOT = 16, FIRST_TABLE_SLOT = 20;

  private final TinyMachine machine =
      new TinyMachine(TestSchedulers.roundRobin(), DOMAINS, FRAMES << 12);
  private final MemorySegment memory = machine.hypervisor().memory();
  private final FrameTable table = machine.hypervisor().machineFrames().table();
  private final Domain[] domains = new Domain[DOMAINS];
  private final ScriptedVcpu[] guests = new ScriptedVcpu[DOMAINS];
  private int built;
  private MemoryModel model;

  /** What was done, for the report. */
  private final Tally tally;

  Twin(Tally tally) {
    this.tally = tally;
    for (int i = 0; i < DOMAINS; i++) {
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
    if (!reachable(step.domain())) {
      rebuild(step.domain());
      assertTrue(reachable(step.domain()), "a new domain can do anything");
    }
    begin();
    step.run(this);
    compare();
  }

  private void begin() {
    model.frames.lookedAt.clear();
    model.flushDue = false;
    for (ModelFrame f : model.frames.frames.values()) {
      if (f.opaque) {
        load(f);
      }
    }
  }

  /** Says whether the domain can write its arguments and its stack; touches both. */
  private boolean reachable(int domain) {
    long l4 = state(domain).kernelTable;
    try {
      boolean plain = !model.frames.walk(l4, ARGUMENTS, true).opaque;
      ModelFrame stack = model.frames.walk(l4, STACK, true);
      domains[domain].vcpu(0).guest().requireWritable(ARGUMENTS, 8);
      domains[domain].vcpu(0).guest().requireWritable(STACK, 8);
      return plain && stack.opaque;
    } catch (Refused unmapped) {
      return false;
    }
  }

  /** The guest's program stores a word where it can. */
  void put(int domain, long va, long value) {
    model.write(domid(domain), va, value);
    domains[domain].vcpu(0).guest().putLong(va, value);
  }

  /** Makes a hypercall on the machine. */
  long call(int domain, int number, long... arguments) {
    return guests[domain].hypercall(number, arguments);
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

  /** How often translations were dropped. */
  int flushes(int domain) {
    return guests[domain].flushes();
  }

  /** Requires that they were dropped, if the operation promises that. */
  void flushed(int domain, int before) {
    assertTrue(!model.flushDue || flushes(domain) > before, "translations are dropped");
  }

  /** increase_reservation, decrease_reservation, populate_physmap. */
  long reservation(int domain, int command, long list, int count, int order) {
    put(domain, ARGUMENTS, list);
    put(domain, ARGUMENTS + 8, count);
    put(domain, ARGUMENTS + 16, order);
    put(domain, ARGUMENTS + 24, MemoryModel.SELF);
    return call(domain, HypercallNumber.MEMORY_OP, command, ARGUMENTS);
  }

  /** How many frames the domain may yet have. */
  long room(int domain) {
    return TinyMachine.GUEST_PAGES - model.question(domid(domain), 3, MemoryModel.SELF);
  }

  /** Names new frames of the domain's. */
  void keep(int domain, long mfn, int count) {
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
  void keepFresh(int domain) {
    ModelDomain d = state(domain);
    for (ModelFrame f : model.frames.frames.values()) {
      boolean named = Arrays.stream(d.slots).anyMatch(mfn -> mfn == f.mfn);
      if (f.owner == d.domid && !f.special && !named) {
        keep(domain, f.mfn, 1);
      }
    }
  }

  /** Forgets the names of frames that are no longer the domain's. */
  void forgetGone(int domain) {
    ModelDomain d = state(domain);
    for (int slot = 0; slot < d.slots.length; slot++) {
      ModelFrame f = model.frames.frames.get(d.slots[slot]);
      d.slots[slot] = f == null || f.owner != d.domid ? -1 : f.mfn;
    }
  }

  /** What the machine has stored at an address that the model knows as the guest's. */
  long stored(int domain, long va) {
    long l4 = state(domain).kernelTable;
    return word(model.frames.walk(l4, va, false).mfn, (int) (va >>> 3) & 511);
  }

  /** A word of a frame on the machine. */
  long word(long mfn, int index) {
    return memory.get(ValueLayout.JAVA_LONG, (mfn << 12) + 8L * index);
  }

  /** The guest's program stores a word to a frame that it has mapped writable. */
  void setWord(ModelFrame f, int index, long value) {
    memory.set(ValueLayout.JAVA_LONG, (f.mfn << 12) + 8L * index, value);
    f.words[index] = value;
  }

  /** A store that faults on a read-only page: whether it has taken effect. */
  boolean store(int domain, long va, long value) {
    guests[domain].onStepOver((s, page, mfn) -> {
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
        guests[domain].step(s -> {
          s.rip = AT;
          s.gpr[CpuState.RSP] = TinyMachine.STACK;
          return ScriptedVcpu.exception(s, vector, errorCode, address);
        });
    return after;
  }

  // ---- birth and death

  void rebuild(int domain) {
    machine.control().destroyDomain(domid(domain));
    model.destroy(domid(domain));
    compare();
    build(domain);
  }

  private void build(int i) {
    Domain d = machine.build(1);
    domains[i] = d;
    guests[i] = machine.engine().vcpu(built++);
    if (model == null) {
      long m2pEntry = word(d.mmu().p2m().mfn(0), 256);
      model = new MemoryModel(new FrameModel(table.frames(), m2pEntry));
    }
    birth(d);
    machine.control().unpause(d.domid());
    guests[i].hypercall(HypercallNumber.VCPU_OP, 7, 0); // no periodic timer
    long[] traps = {Vector.PF | 0xE033L << 16, HANDLER, Vector.GP | 0xE033L << 16, HANDLER, 0, 0};
    for (int word = 0; word < traps.length; word++) {
      put(i, ARGUMENTS + 8L * word, traps[word]);
    }
    assertEquals(0, call(i, HypercallNumber.SET_TRAP_TABLE, ARGUMENTS));
    for (int slot = FIRST_UNUSED_SLOT; slot < TinyMachine.GUEST_PAGES; slot++) {
      boolean used = slot >= FIRST_TABLE_SLOT;
      long entry = used ? Pte.of(state(i).slots[slot], Pte.P | Pte.U | Pte.A) : 0;
      assertEquals(0, call(i, HypercallNumber.UPDATE_VA_MAPPING, (long) slot << 12, entry, 2));
      assertEquals(0, model.updateVa(domid(i), (long) slot << 12, entry, 2, MemoryModel.SELF));
    }
    begin();
    compare();
  }

  /** Takes over what a new domain consists of; from here on the model goes its own way. */
  private void birth(Domain d) {
    ModelDomain state = new ModelDomain(d.domid(), TinyMachine.GUEST_PAGES);
    model.domains.put(d.domid(), state);
    for (long mfn = 0; mfn < table.frames(); mfn++) {
      if (table.owner(mfn) == d.domid()) {
        boolean special = table.isSpecial(mfn);
        long pfn = machine.hypervisor().machineFrames().m2p().pfn(mfn);
        boolean opaque = special || pfn == STACK_SLOT;
        ModelFrame f = new ModelFrame(mfn, d.domid(), special, opaque);
        f.pfn = pfn;
        f.type = special ? WRITABLE : ModelFrame.NONE;
        f.typeCount = special ? 1 : 0;
        f.settled = special;
        load(f);
        model.frames.frames.put(mfn, f);
        if (!special) {
          state.slots[(int) pfn] = mfn;
        }
      }
    }
    state.sharedInfo = d.sharedInfo() >>> 12;
    model.pin(d.domid(), 4, state.slots[0]);
    state.kernelTable = model.frames.hold(state.slots[0], d.domid(), 4).mfn;
  }

  private void load(ModelFrame f) {
    MemorySegment.copy(memory, ValueLayout.JAVA_LONG, f.mfn << 12, f.words, 0, 512);
  }

  // ---- comparison

  private void compare() {
    for (long mfn = 1; mfn < table.frames(); mfn++) {
      ModelFrame f = model.frames.frames.get(mfn);
      int owner = table.owner(mfn);
      if (f != null) {
        compare(f);
      } else if (owner != FrameTable.NOBODY && owner != FrameTable.HYPERVISOR) {
        fail("free in the model: " + table.describe(mfn));
      }
    }
    for (Domain d : domains) {
      if (d != null && model.domains.containsKey(d.domid())) {
        Vcpu v = d.vcpu(0);
        ModelDomain state = model.domain(d.domid());
        assertEquals(state.kernelTable, v.kernelTable(), "kernel's base pointer");
        assertEquals(state.userTable, v.userTable(), "user's base pointer");
      }
    }
    MachineScan.scan(machine.hypervisor());
  }

  private void compare(ModelFrame f) {
    long mfn = f.mfn;
    assertEquals(f.owner, table.owner(mfn), () -> "owner: " + table.describe(mfn));
    assertEquals(f.references, table.references(mfn), () -> "references: " + table.describe(mfn));
    assertEquals(f.typeCount, table.typeCount(mfn), () -> "types: " + table.describe(mfn));
    assertEquals(f.allocated, table.isAllocated(mfn), () -> "allocated: " + table.describe(mfn));
    assertEquals(f.pinned, table.isPinned(mfn), () -> "pinned: " + table.describe(mfn));
    if (f.typeCount > 0) {
      assertEquals(f.type, table.type(mfn), () -> "type: " + table.describe(mfn));
      assertEquals(f.linear, table.linear().count(mfn), () -> "linear: " + table.describe(mfn));
    }
    assertEquals(
        f.pfn,
        machine.hypervisor().machineFrames().m2p().pfn(mfn),
        () -> "M2P: " + table.describe(mfn));
    MemorySegment words = MemorySegment.ofArray(f.words);
    long from = mfn << 12;
    if (!f.opaque && MemorySegment.mismatch(words, 0, 4096, memory, from, from + 4096) >= 0) {
      for (int i = 0; i < 512; i++) {
        compareWord(f, i);
      }
    }
  }

  /** A page that was found bad may have been mended in part. */
  private void compareWord(ModelFrame f, int i) {
    long actual = word(f.mfn, i);
    Integer looked = model.frames.lookedAt.get(f.mfn);
    if (actual != f.words[i] && looked != null && mended(f.words[i], looked) == actual) {
      f.words[i] = actual;
    }
    assertEquals(
        Long.toHexString(f.words[i]),
        Long.toHexString(actual),
        () -> "word %d: %s".formatted(i, table.describe(f.mfn)));
  }

  private static long mended(long word, int type) {
    try {
      return type == ModelFrame.SEGDESC
          ? FrameModel.descriptor(word)
          : FrameModel.isPresent(word) ? FrameModel.adjusted(word, type) : word;
    } catch (Refused bad) {
      return word;
    }
  }

  /** Both domains die, and nothing is left. */
  void end() {
    for (int i = 0; i < DOMAINS; i++) {
      int domid = domid(i);
      begin();
      machine.control().destroyDomain(domid);
      model.destroy(domid);
      compare();
    }
    assertTrue(model.frames.frames.isEmpty(), "all frames are back");
  }

  @Override
  public void close() {
    machine.close();
  }
}
