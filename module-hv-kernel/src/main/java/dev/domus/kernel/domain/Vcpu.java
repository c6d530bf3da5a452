package dev.domus.kernel.domain;

import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.dispatch.DispatchUnit;
import dev.domus.kernel.dispatch.Runner;
import dev.domus.kernel.dispatch.RunstateInfo;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.engine.EngineVcpu;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.kernel.engine.IoMemory;
import dev.domus.kernel.engine.VcpuEngine;
import dev.domus.kernel.mmu.AddressSpaces;
import dev.domus.kernel.mmu.PendingInvalidations;
import dev.domus.kernel.mmu.TableWork;
import dev.domus.kernel.mmu.WritablePageTables;
import dev.domus.kernel.time.Clock;
import dev.domus.kernel.time.Runstate;
import dev.domus.kernel.time.TimeArea;
import dev.domus.kernel.time.VcpuTimers;
import dev.domus.kernel.time.VirtualClock;
import dev.domus.kernel.trace.ring.Tracer;
import dev.domus.kernel.trap.Bounce;
import dev.domus.kernel.trap.ExceptionExit;
import dev.domus.kernel.trap.SyscallExit;
import dev.domus.kernel.trap.TrapState;
import dev.domus.memory.CodeFrames;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Optional;

/**
 * A virtual CPU of a guest domain: its registers, its two address spaces, and the loop that runs
 * it.
 *
 * <h2>The run loop</h2>
 *
 * <p>A pCPU thread calls {@link #runSlice}. It enters the engine again and again until the slice is
 * over, and handles what the engine comes back with. Before every entry it delivers what is due:
 * first an event upcall that the guest has not masked. Nothing of a vCPU's state is touched by
 * another thread while its slice runs, except through the three things below.
 *
 * <h2>How other threads reach a vCPU</h2>
 *
 * <ul>
 *   <li><b>Signals</b> ({@link #signals}) ask it to leave guest mode: to preempt it, or to have it
 *       drop translations. A signal is set first, then the engine is kicked.
 *   <li><b>Events</b> are bits in guest-visible memory, set with atomic operations by the
 *       event-channel code, followed by {@link #notifyUpcall}.
 *   <li><b>TLB flushes</b> need an answer. What is to be dropped is put into {@link #pending}, then
 *       the signal is set. {@link #inGuest} is set before the last look at {@link #signals} on the
 *       way into the engine, and cleared after it. The store and the look are volatile, and the
 *       clearing comes after all that was done by translations. So whoever sets the flush signal
 *       and then finds {@code inGuest} false knows that the vCPU will see the signal before it uses
 *       a translation again, and whoever finds it true kicks and waits until one of the two has
 *       changed. Where the signal is taken, what is pending is dropped before anything else is done
 *       by a translation. Nobody waits while being in guest mode himself, so two vCPUs that flush
 *       each other both get their answer; and who flushes several asks all of them before he waits
 *       for one.
 * </ul>
 *
 * <h2>Guest kernel and guest user</h2>
 *
 * <p>Both run at CPL 3. They differ in {@link #kernelMode}, in the L4 table in CR3, and in which GS
 * base is live (xen-pv-abi.md, 8.9). {@link #enterKernel} and {@link #enterUser} change all three
 * together.
 */
public final class Vcpu implements EngineVcpu, Runner, AddressSpaces {
  /**
   * Instructions between two looks at the clock: some hundred microseconds of an interpreter's
   * time.
   */
  private static final long CLOCK_CHECK_INSTRUCTIONS = 20_000;

  /**
   * What leaving guest mode counts for in these. A guest that faults in its fault handler retires
   * nothing at all, and still must not keep its pCPU beyond its slice.
   */
  private static final long INSTRUCTIONS_AN_EXIT = 100;

  private static final int SIGNAL_PREEMPT = 1, SIGNAL_FLUSH = 2;
  private static final VarHandle SIGNALS, IN_GUEST;

  static {
    try {
      SIGNALS = MethodHandles.lookup().findVarHandle(Vcpu.class, "signals", int.class);
      IN_GUEST = MethodHandles.lookup().findVarHandle(Vcpu.class, "inGuest", boolean.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final Domain domain;
  private final boolean smp;
  private final int id;
  private final String label;
  private final CpuState state = new CpuState();
  private final MemorySegment memory;
  private final GuestAccess guest;
  private final TrapState traps = new TrapState();
  private final PolledPorts polledPorts = new PolledPorts();
  private final Continuation continuation = new Continuation();
  private final VcpuSet namedVcpus;
  private final PendingInvalidations pending;

  /** How many words of requests a hypercall reads at once. */
  public static final int REQUEST_WORDS = 256;

  private final TableWork tableWork = new TableWork(this::mustPreempt);
  private final long[] requestWords = new long[REQUEST_WORDS];
  private final Clock clock;

  /** On a deterministic machine; else null. */
  private final VirtualClock virtualClock;

  private final VcpuTimers timers;
  private final Tracer tracer;
  private final Runstate runstate;
  private final TimeArea timeArea;
  private final VcpuEngine engine;
  private final WritablePageTables writablePageTables;
  private final ExceptionExit exceptionExit;
  private final SyscallExit syscallExit;

  private DispatchUnit unit;

  /**
   * Frame of the guest kernel's L4 table, or −1 before the vCPU is set up; holds a type reference.
   */
  private long kernelTable = -1;

  /** Frame of the guest user's L4 table, or −1 for none; holds a type reference. */
  private long userTable = -1;

  private boolean kernelMode = true;
  private long inactiveGsBase;
  private boolean cpuidFaulting;
  private volatile long vcpuInfo;
  private boolean vcpuInfoRegistered;
  private long vcpuInfoFrame = -1;
  private volatile boolean initialised;
  private volatile boolean online;
  private boolean inMulticall;
  private SliceEnd sliceEnd;
  private long sliceDeadline;

  private volatile int signals;
  private volatile boolean inGuest;

  Vcpu(Domain domain, int id, Engine engine) {
    this(domain, id, engine, Optional.empty());
  }

  /**
   * Makes a vCPU, or what a service domain's threads make hypercalls as.
   *
   * @param arguments where a service domain's hypercalls find their arguments; guests have them in
   *     their memory
   */
  Vcpu(Domain domain, int id, Engine engine, Optional<MemorySegment> arguments) {
    this.domain = domain;
    this.id = id;
    smp = domain.spec().vcpus() > 1;
    label = "d" + domain.domid() + "v" + id;
    memory = domain.hypervisor().memory();
    CodeFrames codeFrames = domain.hypervisor().codeFrames();
    guest =
        arguments.isPresent()
            ? new ArgumentAccess(this, memory, codeFrames, arguments.get())
            : new GuestAccess(this, memory, codeFrames);
    vcpuInfo =
        id < SharedInfoLayout.LEGACY_VCPUS
            ? domain.sharedInfo() + (long) id * SharedInfoLayout.VCPU_INFO_SIZE
            : -1;
    tracer = domain.hypervisor().tracer();
    clock = domain.hypervisor().clock();
    virtualClock = domain.hypervisor().virtualClock().orElse(null);
    timers = new VcpuTimers(this, domain.hypervisor().timerQueue(), clock);
    runstate = new Runstate(this);
    timeArea = new TimeArea(this);
    namedVcpus = new VcpuSet(domain.spec().vcpus());
    pending = new PendingInvalidations(domain.mmu());
    writablePageTables = new WritablePageTables(this, domain.mmu());
    exceptionExit = new ExceptionExit(this, writablePageTables);
    syscallExit = new SyscallExit(this);
    this.engine = engine.attach(domain.hypervisor(), this);
  }

  void bind(DispatchUnit unit) {
    this.unit = unit;
  }

  /** The domain it belongs to. */
  public Domain domain() {
    return domain;
  }

  /** Its number in the domain, from 0. */
  @Override
  public int id() {
    return id;
  }

  @Override
  public CpuState state() {
    return state;
  }

  @Override
  public IoMemory io() {
    return domain.io();
  }

  @Override
  public String label() {
    return label;
  }

  /** Access to guest memory through this vCPU's page tables. */
  public GuestAccess guest() {
    return guest;
  }

  /** Trap table and callbacks. */
  public TrapState traps() {
    return traps;
  }

  /** Its timers. */
  public VcpuTimers timers() {
    return timers;
  }

  /** Its runstate area, as the guest sees it. */
  public Runstate runstate() {
    return runstate;
  }

  /** Where what it does is recorded. */
  public Tracer tracer() {
    return tracer;
  }

  /** What the dispatcher knows it as. */
  public DispatchUnit unit() {
    return unit;
  }

  // ---- running

  @Override
  public SliceEnd runSlice(long deadlineNanos) {
    sliceEnd = null;
    sliceDeadline = deadlineNanos;
    if (polledPorts.stop()) {
      timers.disarmPollTimeout();
    }
    timers.scheduledIn();
    return virtualClock == null ? runInRealTime(deadlineNanos) : runInVirtualTime(deadlineNanos);
  }

  private SliceEnd runInRealTime(long deadlineNanos) {
    long clockCheck = state.retired + CLOCK_CHECK_INSTRUCTIONS;
    while (true) {
      if (!domain.mayRun() || !online) {
        unit.prepareToBlock();
        if (!domain.mayRun() || !online) {
          return SliceEnd.OFFLINE;
        }
      }
      if (sliceEnd != null) {
        return sliceEnd;
      }
      if (state.retired >= clockCheck) {
        long now = clock.pcpuNanos();
        if (now - deadlineNanos >= 0) {
          return SliceEnd.EXPIRED;
        }
        timers.poll(now);
        clockCheck = state.retired + CLOCK_CHECK_INSTRUCTIONS;
      }
      pending.settleLoads(engine);
      inGuest = true; // before the last look: who notifies later than that finds it set, and kicks
      if (signals != 0 || eventDeliverable()) {
        leaveGuestMode();
        if (signals != 0 && takeSignals()) {
          return SliceEnd.PREEMPTED;
        }
        if (eventDeliverable()) {
          Bounce.pending(this);
        }
        continue;
      }
      Exit exit = engine.run(Math.max(1, clockCheck - state.retired));
      leaveGuestMode();
      clockCheck -= INSTRUCTIONS_AN_EXIT;
      handle(exit);
    }
  }

  /**
   * The same where time goes by what the guest does: it looks at the clock after each exit, which
   * costs nothing there, and the engine comes back at the very instruction at which something is
   * due. See {@link VirtualClock}.
   */
  private SliceEnd runInVirtualTime(long deadlineNanos) {
    VirtualClock time = virtualClock;
    time.begin(state);
    try {
      while (true) {
        if (!domain.mayRun() || !online) {
          unit.prepareToBlock();
          if (!domain.mayRun() || !online) {
            return SliceEnd.OFFLINE;
          }
        }
        if (sliceEnd != null) {
          return sliceEnd;
        }
        if (signals != 0 && takeSignals()) {
          return SliceEnd.PREEMPTED;
        }
        if (!time.arrive()) {
          continue;
        }
        long now = time.nanoTime();
        if (now - deadlineNanos >= 0) {
          return SliceEnd.EXPIRED;
        }
        timers.poll(now);
        if (signals != 0) { // the timers' doing
          continue;
        }
        if (eventDeliverable()) {
          Bounce.pending(this);
          continue;
        }
        pending.settleLoads(engine);
        inGuest = true;
        Exit exit = engine.runExactly(time.budget(Math.min(deadlineNanos, timers.nextTickNanos())));
        leaveGuestMode();
        if (exit == Exit.SYSCALL || exit == Exit.EXCEPTION) {
          time.exited();
        }
        handle(exit);
      }
    } finally {
      time.end();
    }
  }

  private void handle(Exit exit) {
    switch (exit) {
      case SYSCALL -> syscallExit.handle();
      case EXCEPTION -> exceptionExit.handle();
      case BUDGET, KICKED -> {}
    }
  }

  /** Acts on all signals; says whether one of them ends the slice. */
  private boolean takeSignals() {
    int taken = (int) SIGNALS.getAndSet(this, 0);
    if ((taken & SIGNAL_FLUSH) != 0) {
      pending.carryOut(engine);
    }
    return (taken & SIGNAL_PREEMPT) != 0;
  }

  /** Enters guest mode outside the run loop: cached translations may be used, and are good. */
  private void enterForOnce() {
    pending.settleLoads(engine);
    inGuest = true;
    dropPending();
  }

  /**
   * Guest mode ends after everything that was done in it. Nothing that follows depends on who has
   * heard of it, so the store is no fence: one a hypercall, for the way in, is enough.
   */
  private void leaveGuestMode() {
    IN_GUEST.setRelease(this, false);
  }

  /** Drops what others want dropped, if that is so. Leaves the other signals alone. */
  private void dropPending() {
    if ((signals & SIGNAL_FLUSH) != 0) {
      SIGNALS.getAndBitwiseAnd(this, ~SIGNAL_FLUSH);
      pending.carryOut(engine);
    }
  }

  @Override
  public void preempt() {
    SIGNALS.getAndBitwiseOr(this, SIGNAL_PREEMPT);
    engine.kick();
    if (virtualClock != null) {
      virtualClock.call();
    }
  }

  /**
   * Says whether a long hypercall should be continued later: the slice is over, or somebody wants
   * the vCPU off its pCPU, or it has blocked in a part of a multicall. If so, the slice ends as
   * soon as the hypercall returns.
   */
  public boolean mustPreempt() {
    if (sliceEnd != null) {
      return true;
    }
    if (virtualClock != null) {
      virtualClock.worked();
    }
    if (clock.pcpuNanos() - sliceDeadline >= 0) {
      sliceEnd = SliceEnd.EXPIRED;
      return true;
    }
    return (signals & SIGNAL_PREEMPT) != 0;
  }

  /** What is left of a hypercall that is to be continued. */
  public Continuation continuation() {
    return continuation;
  }

  /** How far its hypercalls have got with page tables. */
  public TableWork tableWork() {
    return tableWork;
  }

  /** Where the present hypercall keeps its copy of a set of vCPUs. */
  public VcpuSet namedVcpus() {
    return namedVcpus;
  }

  /** Where the present hypercall keeps its copy of requests; {@value #REQUEST_WORDS} words. */
  public long[] requestWords() {
    return requestWords;
  }

  /** Ends the slice after the present hypercall; called by the vCPU's own thread. */
  public void endSlice(SliceEnd end) {
    sliceEnd = end;
  }

  // ---- events

  /** Machine address of the vCPU's vcpu_info, or −1. */
  public long vcpuInfo() {
    return vcpuInfo;
  }

  /** Says whether the guest has moved vcpu_info to a page of its own. */
  public boolean vcpuInfoRegistered() {
    return vcpuInfoRegistered;
  }

  /** Moves vcpu_info; the caller has copied the contents and holds the reference on the page. */
  public void registerVcpuInfo(long ma, long mfn) {
    vcpuInfo = ma;
    vcpuInfoRegistered = true;
    vcpuInfoFrame = mfn;
  }

  /** The ports that it waits for in SCHEDOP_poll. */
  public PolledPorts polledPorts() {
    return polledPorts;
  }

  /** Says whether something would interrupt the guest if it ran: an NMI, or an event upcall. */
  public boolean eventDeliverable() {
    return traps.nmiDeliverable() || upcallDeliverable();
  }

  /** Says whether an event upcall is pending and not masked. */
  public boolean upcallDeliverable() {
    long info = vcpuInfo;
    return info >= 0
        && memory.get(ValueLayout.JAVA_BYTE, info + SharedInfoLayout.UPCALL_PENDING) != 0
        && memory.get(ValueLayout.JAVA_BYTE, info + SharedInfoLayout.UPCALL_MASK) == 0;
  }

  /** The guest's virtual interrupt mask: 1 if events are off. */
  public int upcallMask() {
    return vcpuInfo < 0
        ? 1
        : memory.get(ValueLayout.JAVA_BYTE, vcpuInfo + SharedInfoLayout.UPCALL_MASK) & 0xFF;
  }

  /** Sets the guest's virtual interrupt mask. */
  public void setUpcallMask(int mask) {
    if (vcpuInfo >= 0) {
      memory.set(ValueLayout.JAVA_BYTE, vcpuInfo + SharedInfoLayout.UPCALL_MASK, (byte) mask);
    }
  }

  /** An upcall has become pending: wakes the vCPU, or makes it leave guest mode. Any thread. */
  public void notifyUpcall() {
    wake();
    if (inGuest) {
      engine.kick();
    }
  }

  /** Sends a non-maskable interrupt. Any thread. */
  public void sendNmi() {
    traps.raiseNmi();
    notifyUpcall();
  }

  // ---- address spaces

  @Override
  public long kernelTable() {
    return kernelTable;
  }

  @Override
  public long userTable() {
    return userTable;
  }

  @Override
  public void setKernelTable(long mfn) {
    pending.loaded(mfn == kernelTable);
    kernelTable = mfn;
    if (kernelMode) {
      state.cr3 = mfn << 12;
    }
  }

  @Override
  public void setUserTable(long mfn) {
    pending.loaded(false);
    userTable = mfn;
    if (!kernelMode && mfn >= 0) {
      state.cr3 = mfn << 12;
    }
  }

  /** What the engine says of the instruction at an address; between two runs. */
  String instructionAt(long va) {
    enterForOnce();
    try {
      return engine.instructionAt(va);
    } finally {
      leaveGuestMode();
    }
  }

  /** Drops cached translations of this vCPU; its own thread only. */
  public void invalidate(long invalidation) {
    if (invalidation == Invalidation.ALL) {
      pending.invalidateAll(engine);
    } else {
      engine.invalidate(invalidation);
    }
  }

  /**
   * Says whether the vCPU may go to where an invalidation says that translations are wrong without
   * loading a base pointer first; with the MMU lock held if it is one of an address space.
   */
  boolean concernedBy(long invalidation) {
    if (Invalidation.kind(invalidation) != Invalidation.Kind.ADDRESS_SPACE) {
      return true;
    }
    long root = Invalidation.cr3(invalidation) >>> 12;
    return root == kernelTable || root == userTable;
  }

  /**
   * Asks for translations to be dropped. Any thread; {@link #awaitInvalidation} says when they are
   * not used any more.
   */
  void requestInvalidation(long invalidation) {
    pending.add(invalidation);
    SIGNALS.getAndBitwiseOr(this, SIGNAL_FLUSH);
    if (inGuest) {
      engine.kick();
    }
  }

  /** Returns when what this thread has asked for is in force. Any thread outside guest mode. */
  void awaitInvalidation() {
    while (inGuest && (signals & SIGNAL_FLUSH) != 0) {
      Thread.onSpinWait();
    }
  }

  /**
   * The hypervisor is about to use a translation on the guest's behalf: from now until {@link
   * #endAccess} a flush waits for this vCPU as if it were in guest mode. A domain with one vCPU has
   * nobody who could flush meanwhile, unless domains may change one another's tables.
   */
  void beginAccess() {
    if (smp || domain.hypervisor().foreignChanges()) {
      inGuest = true;
    }
  }

  /** The translation is no longer used. */
  void endAccess() {
    if (smp || domain.hypervisor().foreignChanges()) {
      leaveGuestMode();
    }
  }

  /**
   * Enters guest mode for one instruction, with a frame in the place of a page: see {@link
   * VcpuEngine#stepOver}. Flushes are waited for as in the run loop.
   */
  public Exit stepOver(long va, long mfn) {
    enterForOnce();
    Exit exit = engine.stepOver(va, mfn);
    leaveGuestMode();
    return exit;
  }

  /** What carries out this vCPU's stores to page tables. */
  WritablePageTables writablePageTables() {
    return writablePageTables;
  }

  /** Says whether the guest is in its kernel. */
  public boolean kernelMode() {
    return kernelMode;
  }

  /**
   * Leaves user mode: kernel L4, kernel GS base. Does nothing in kernel mode. Nothing is flushed:
   * engines tell translations apart by the base under which they were made.
   */
  public void enterKernel() {
    if (!kernelMode) {
      toggle();
      state.cr3 = kernelTable << 12;
    }
  }

  /** Leaves kernel mode; {@link #userTable} must not be −1. */
  public void enterUser() {
    if (kernelMode) {
      toggle();
      state.cr3 = userTable << 12;
    }
  }

  private void toggle() {
    kernelMode = !kernelMode;
    long live = state.gsBase;
    state.gsBase = inactiveGsBase;
    inactiveGsBase = live;
    state.cpuidFaults = cpuidFaulting && !kernelMode;
  }

  /**
   * Puts the guest kernel's address space in force for the hypervisor's own accesses, whatever mode
   * the guest is in, until {@link #returnSpace}; the vCPU's own thread.
   *
   * @return what is in force now
   */
  public long borrowKernelSpace() {
    long base = state.cr3;
    state.cr3 = kernelTable << 12;
    return base;
  }

  /** Puts back what {@link #borrowKernelSpace} returned. */
  public void returnSpace(long base) {
    state.cr3 = base;
  }

  /** The GS base that is not live: the user's in kernel mode, the kernel's in user mode. */
  public long inactiveGsBase() {
    return inactiveGsBase;
  }

  /** Sets the GS base that is not live. */
  public void setInactiveGsBase(long base) {
    inactiveGsBase = base;
  }

  /** Says whether CPUID is a fault in the guest's user mode. */
  public boolean cpuidFaulting() {
    return cpuidFaulting;
  }

  /** Chooses whether CPUID is a fault in the guest's user mode; called in kernel mode. */
  public void setCpuidFaulting(boolean on) {
    cpuidFaulting = on;
  }

  // ---- life cycle

  /** Says whether registers have been set (by the builder, or VCPUOP_initialise). */
  public boolean initialised() {
    return initialised;
  }

  /** Marks the registers as set. */
  public void setInitialised() {
    initialised = true;
  }

  /** Says whether the vCPU is up. */
  public boolean online() {
    return online;
  }

  /** Brings the vCPU up. */
  public void up() {
    online = true;
    unit.wake();
  }

  /**
   * Takes the vCPU down; any thread. It leaves its pCPU soon; one that is asleep is offline too.
   */
  public void down() {
    online = false;
    preempt();
    unit.wake();
  }

  /** Says whether a multicall is being carried out; its own thread. */
  public boolean inMulticall() {
    return inMulticall;
  }

  /** Enters or leaves a multicall; its own thread. */
  public void setInMulticall(boolean on) {
    inMulticall = on;
  }

  /**
   * Wakes a blocked vCPU. Any thread. One that is down stays offline, whatever comes for it: {@link
   * #up} wakes it after it has set {@link #online}, and it looks at its events then.
   */
  public void wake() {
    if (online) {
      unit.wake();
    }
  }

  /**
   * Puts the reference on a registered vcpu_info page; the vCPU does not run any more and is told
   * of no events.
   */
  void releaseVcpuInfo() {
    if (vcpuInfoFrame >= 0) {
      domain.hypervisor().machineFrames().putWritable(vcpuInfoFrame);
      vcpuInfoFrame = -1;
    }
  }

  void close() {
    timers.close();
    writablePageTables.close();
    engine.close();
  }

  // ---- EngineVcpu

  @Override
  public long descriptor(int selector) {
    return domain.mmu().descriptor(this, selector);
  }

  @Override
  public void cpuid(int leaf, int subleaf) {
    domain.hypervisor().cpuidPolicy().answer(this, leaf, subleaf);
  }

  @Override
  public long tsc() {
    return clock.tsc();
  }

  @Override
  public void codeWatched(long mfn) {
    if (smp) {
      leaveGuestMode(); // so that two vCPUs which decode at once do not wait for each other
      domain.invalidateOthers(Invalidation.ALL, this);
      inGuest = true;
      dropPending();
    }
  }

  /** Its secondary copy of the time info. */
  public TimeArea timeArea() {
    return timeArea;
  }

  // ---- Runner: told by the dispatcher

  @Override
  public void runstateChanged(int newState, long sinceNanos) {
    if (newState == RunstateInfo.RUNNING) {
      timeArea.scheduledIn();
    }
    runstate.changed(newState, sinceNanos);
  }

  @Override
  public void crashed(Throwable cause) {
    leaveGuestMode();
    domain.crash(this, "hypervisor or engine fault: " + cause, cause);
  }
}
