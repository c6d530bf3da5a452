package dev.domus.kernel.mmu;

import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.trap.Vector;
import dev.domus.kernel.trap.VmAssist;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.paging.PageWalk;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Writable page tables (vm_assist 2; xen-pv-abi.md, 6.4): one vCPU's stores to its L1 tables, which
 * are mapped read-only, are carried out as validated updates.
 *
 * <h2>How</h2>
 *
 * <p>Only the engine knows what the faulting instruction does, and there is to be no second
 * decoder. So the engine executes it, once, on a copy:
 *
 * <ol>
 *   <li>The table is copied to a frame of the hypervisor's own, and the registers are put aside.
 *   <li>The engine steps over the instruction with that frame in the place of the page ({@link
 *       dev.domus.kernel.engine.VcpuEngine#stepOver}). The instruction can write nowhere else.
 *   <li>The copy is compared with what it was. Only the entry that the fault named may differ.
 *   <li>Its new value is validated as in mmu_update and replaces the old one by compare-and-set.
 *       This is the moment at which the guest's instruction takes effect, locked or not.
 * </ol>
 *
 * <p>If the entry is no longer what was copied (another vCPU was faster, or a processor set A or
 * D), the registers are restored and the guest goes on at the same instruction: it faults again and
 * all begins anew, with the run loop's preemption in between. Whoever changed the entry has made
 * progress, so the vCPUs together always do. If the instruction wants more than one entry, or a
 * value that is refused, the registers are restored and the fault is the guest's. So an instruction
 * takes effect as a whole or not at all.
 *
 * <p>A store costs between one and two and a half single mmu_update calls; the guest kernel {@code
 * wpt} measures both.
 *
 * <p>Every load that the instruction makes from the table sees the copy; nothing is fetched twice,
 * for the value that was validated is the one that is stored.
 *
 * <h2>What is not emulated</h2>
 *
 * <p>Stores in user mode and without the assist; tables of levels 2 to 4; frames of other domains;
 * anything that is not aligned to its size or changes more than one entry.
 *
 * <h2>Translations and locks</h2>
 *
 * <p>Flushing the translation of what the entry mapped is the guest's business as after mmu_update;
 * {@link TableEntries} stamps the frame. The MMU lock is held for the replacement alone and never
 * in guest mode. From the look-up on a general reference holds the table's frame, so a frame that
 * another vCPU gives back meanwhile is not copied from its next owner.
 *
 * <p>Used by the pCPU thread that runs the vCPU, but for {@link #prepare} and {@link #close}.
 */
public final class WritablePageTables {
  /** How it goes on after a page fault. */
  public enum Outcome {
    /** The guest runs on: the store is done, or its instruction is to be tried again. */
    CONTINUE,
    /** The fault is the guest's; its registers are as at the fault. */
    PAGE_FAULT,
    /** Another exception is due, which the vCPU's state describes; not #PF. */
    OTHER_EXCEPTION
  }

  private static final VarHandle ENTRY = ValueLayout.JAVA_LONG.varHandle();
  private static final long BYTES = MachineMemory.FRAME_BYTES;
  private static final int RELEVANT =
      PageWalk.PRESENT | PageWalk.WRITE | PageWalk.RESERVED | PageWalk.FETCH;

  private final Vcpu vcpu;
  private final CpuState state;
  private final Mmu mmu;
  private final MachineFrames machine;
  private final MemorySegment memory;
  private final CpuState before = new CpuState();

  /** What the table held, to compare the copy with. */
  private final MemorySegment snapshot = MemorySegment.ofArray(new long[Pte.ENTRIES]);

  /** The frame of the copy, or {@link MachineFrames#NONE} while the assist has never been on. */
  private volatile long scratch = MachineFrames.NONE;

  /** Makes the emulation for one vCPU; costs no frame before {@link #prepare}. */
  public WritablePageTables(Vcpu vcpu, Mmu mmu) {
    this.vcpu = vcpu;
    this.mmu = mmu;
    state = vcpu.state();
    machine = mmu.machine();
    memory = machine.memory();
  }

  /**
   * Gets what it takes; to be called before the assist is switched on. Any thread, any number of
   * times.
   *
   * @return false if the machine has no frame left
   */
  public synchronized boolean prepare() {
    if (scratch == MachineFrames.NONE) {
      scratch = machine.allocatePrivate();
    }
    return scratch != MachineFrames.NONE;
  }

  /** Gives the frame back; the vCPU does not run any more. */
  public synchronized void close() {
    if (scratch != MachineFrames.NONE) {
      machine.freePrivate(scratch);
      scratch = MachineFrames.NONE;
    }
  }

  /**
   * Carries out the store that caused a page fault, if it is one of those.
   *
   * @param va the address of the fault, any value
   * @param errorCode its error code, as from the engine
   */
  public Outcome store(long va, int errorCode) {
    if ((errorCode & RELEVANT) != (PageWalk.PRESENT | PageWalk.WRITE)
        || !vcpu.kernelMode()
        || !vcpu.domain().assist(VmAssist.WRITABLE_PAGETABLES)
        || !GuestAccess.addressOk(va, 1)) {
      return Outcome.PAGE_FAULT;
    }
    long mapped = vcpu.guest().walk(va, 0);
    long table = PageWalk.frameAddress(mapped) >>> MachineMemory.FRAME_SHIFT;
    if (mapped < 0 || !machine.get(mmu.domid(), table)) {
      return Outcome.PAGE_FAULT;
    }
    Outcome outcome =
        machine.table().isInUseAs(table, FrameTable.L1)
            ? storeToTable(table, va)
            : Outcome.PAGE_FAULT;
    machine.put(table);
    return outcome;
  }

  private Outcome storeToTable(long table, long va) {
    int index = (int) (va >>> 3) & Pte.ENTRIES - 1;
    long copy = scratch << MachineMemory.FRAME_SHIFT;
    long entryInCopy = copy + 8L * index;
    long old = copyTable(table, index, copy);
    before.copyRegisters(state);
    Exit exit = vcpu.stepOver(va, scratch);
    boolean trap = exit == Exit.EXCEPTION && state.exitVector == Vector.DB;
    if (exit != Exit.BUDGET && !trap) {
      return notCompleted(exit);
    }
    long entry = memory.get(ValueLayout.JAVA_LONG, entryInCopy);
    memory.set(ValueLayout.JAVA_LONG, entryInCopy, old);
    int result = -1;
    if (MemorySegment.mismatch(snapshot, 0, BYTES, memory, copy, copy + BYTES) < 0) {
      result =
          entry == old
              ? 0
              : mmu.entries().compareAndUpdateLeaf(table, index, old, entry, vcpu.tableWork());
    }
    if (result == 0) {
      return trap ? Outcome.OTHER_EXCEPTION : Outcome.CONTINUE;
    }
    state.copyRegisters(before);
    if (result != TableEntries.CHANGED && result != TableWork.RESTART) {
      return Outcome.PAGE_FAULT;
    }
    state.rflags |= CpuState.RF; // its instruction breakpoint has been reported
    return Outcome.CONTINUE;
  }

  /**
   * Copies the table to the scratch frame and that to the snapshot.
   *
   * @return the entry in question, which alone has to be read in one piece
   */
  private long copyTable(long table, int index, long copy) {
    long from = table << MachineMemory.FRAME_SHIFT;
    long old = (long) ENTRY.getVolatile(memory, from + 8L * index);
    MemorySegment.copy(memory, from, memory, copy, BYTES);
    memory.set(ValueLayout.JAVA_LONG, copy + 8L * index, old);
    MemorySegment.copy(memory, copy, snapshot, 0, BYTES);
    return old;
  }

  /**
   * The instruction has had no effect. #PF: it writes elsewhere too, or reads what has just gone;
   * the guest has to see the first fault first. SYSCALL: another vCPU has changed the code.
   */
  private Outcome notCompleted(Exit exit) {
    if (exit == Exit.EXCEPTION && state.exitVector != Vector.PF) {
      return Outcome.OTHER_EXCEPTION;
    }
    state.copyRegisters(before);
    return exit == Exit.EXCEPTION ? Outcome.PAGE_FAULT : Outcome.CONTINUE;
  }
}
