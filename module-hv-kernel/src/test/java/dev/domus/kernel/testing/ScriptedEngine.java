package dev.domus.kernel.testing;

import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.engine.EngineMachine;
import dev.domus.kernel.engine.EngineVcpu;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.VcpuEngine;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.LongConsumer;

/**
 * An engine whose guests execute what a test tells them: a step changes registers and says by which
 * exit the vCPU leaves guest mode. The step's future is completed when the vCPU is next in guest
 * mode, that is, with the state that the hypervisor left behind.
 */
public final class ScriptedEngine implements Engine {
  private final List<ScriptedVcpu> vcpus = new CopyOnWriteArrayList<>();

  /** The vCPUs in the order in which they were made. */
  public ScriptedVcpu vcpu(int index) {
    return vcpus.get(index);
  }

  @Override
  public String name() {
    return "scripted";
  }

  @Override
  public String description() {
    return "executes what a test says";
  }

  @Override
  public Optional<String> unusableBecause() {
    return Optional.empty();
  }

  @Override
  public boolean countsExactly() {
    return true;
  }

  @Override
  public VcpuEngine attach(EngineMachine machine, EngineVcpu vcpu) {
    ScriptedVcpu scripted = new ScriptedVcpu(vcpu.state());
    vcpus.add(scripted);
    return scripted;
  }

  private record Step(Function<CpuState, Exit> action, CompletableFuture<CpuState> done) {}

  /** One vCPU's script. */
  public static final class ScriptedVcpu implements VcpuEngine {
    private static final long INSTRUCTIONS_A_PAUSE = 20_000;

    /** Wakes a vCPU that waits for its next step. */
    private static final Step NOTHING =
        new Step(s -> Exit.KICKED, CompletableFuture.completedFuture(null));

    private final CpuState state;
    private final LinkedBlockingQueue<Step> steps = new LinkedBlockingQueue<>();
    private CompletableFuture<CpuState> previous;
    private volatile Function<CpuState, Exit> storm;
    private volatile boolean kicked;
    private volatile int flushes;
    private int continued;
    private volatile LongConsumer onInvalidate = invalidation -> {};
    private final AtomicInteger kicks = new AtomicInteger();
    private volatile StepOver stepOver =
        (s, va, mfn) -> {
          throw new AssertionError("no instruction to step over");
        };

    ScriptedVcpu(CpuState state) {
      this.state = state;
    }

    /** What an instruction does when it is stepped over. */
    public interface StepOver {
      Exit execute(CpuState state, long va, long mfn);
    }

    /** Says what the next calls of {@link #stepOver} do. */
    public void onStepOver(StepOver action) {
      stepOver = action;
    }

    /** Hands the vCPU its next step. */
    public CompletableFuture<CpuState> submit(Function<CpuState, Exit> action) {
      CompletableFuture<CpuState> done = new CompletableFuture<>();
      steps.add(new Step(action, done));
      return done;
    }

    /** Executes a step and waits until the vCPU is in guest mode again. */
    public CpuState step(Function<CpuState, Exit> action) {
      return submit(action).orTimeout(20, TimeUnit.SECONDS).join();
    }

    /** From now on leaves guest mode as told each time it is entered, and retires nothing. */
    public void storm(Function<CpuState, Exit> action) {
      storm = action;
    }

    /** Makes a hypercall, again and again if it is continued, and returns its result. */
    public long hypercall(int number, long... arguments) {
      long[] at = new long[1];
      CpuState after =
          step(s -> {
            at[0] = s.rip;
            return syscall(s, number, arguments);
          });
      while (after.rip == at[0]) { // preempted: a processor comes to the same SYSCALL again
        after = step(s -> syscall(s, (int) s.gpr[CpuState.RAX]));
        continued++;
      }
      return after.gpr[CpuState.RAX];
    }

    /** How often {@link #hypercall} has made a call again that was preempted. */
    public int continued() {
      return continued;
    }

    /** Registers and exit of a hypercall. */
    public static Exit syscall(CpuState s, int number, long... arguments) {
      int[] registers = {CpuState.RDI, CpuState.RSI, CpuState.RDX, CpuState.R10, CpuState.R8};
      s.gpr[CpuState.RAX] = number;
      for (int i = 0; i < arguments.length; i++) {
        s.gpr[registers[i]] = arguments[i];
      }
      s.rip += 2;
      s.gpr[CpuState.RCX] = s.rip;
      s.gpr[CpuState.R11] = s.rflags;
      return Exit.SYSCALL;
    }

    /** Registers and exit of an exception. */
    public static Exit exception(CpuState s, int vector, int errorCode, long address) {
      s.exitVector = vector;
      s.exitErrorCode = errorCode;
      s.exitAddress = address;
      return Exit.EXCEPTION;
    }

    /** How often translations were dropped, whichever. */
    public int flushes() {
      return flushes;
    }

    /** Has a test told what is dropped, on the vCPU's thread. */
    public void onInvalidate(LongConsumer action) {
      onInvalidate = action;
    }

    /** How often somebody wanted the vCPU to leave guest mode. */
    public int kicks() {
      return kicks.get();
    }

    @Override
    public Exit run(long budget) {
      if (previous != null) {
        previous.complete(state);
        previous = null;
      }
      if (kicked) {
        kicked = false;
        return Exit.KICKED;
      }
      Function<CpuState, Exit> stormy = storm;
      if (stormy != null) {
        return stormy.apply(state);
      }
      Step next;
      try {
        next = steps.poll(1, TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
      state.retired += next == null ? INSTRUCTIONS_A_PAUSE : 1;
      if (next == null) {
        return Exit.BUDGET;
      }
      if (next == NOTHING) {
        kicked = false;
        return Exit.KICKED;
      }
      Exit exit = next.action.apply(state);
      previous = next.done;
      return exit;
    }

    /** Computes as long as it may, unless there is a step. */
    @Override
    public Exit runExactly(long budget) {
      if (previous != null) {
        previous.complete(state);
        previous = null;
      }
      Step next = steps.poll();
      state.retired += next == null ? budget : 1;
      if (next == null) {
        return Exit.BUDGET;
      }
      previous = next.done;
      return next.action.apply(state);
    }

    @Override
    public Exit stepOver(long va, long mfn) {
      return stepOver.execute(state, va, mfn);
    }

    @Override
    public void kick() {
      kicks.incrementAndGet();
      kicked = true;
      if (steps.isEmpty()) {
        steps.add(NOTHING);
      }
    }

    @Override
    public void invalidate(long invalidation) {
      flushes++;
      onInvalidate.accept(invalidation);
    }

    @Override
    public void close() {
      if (previous != null) {
        previous.complete(state);
      }
    }
  }
}
