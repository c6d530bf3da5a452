package dev.domus.jmh;

import dev.domus.bench.MappingPath;
import dev.domus.kernel.abi.EventChannelLayout;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.engine.EngineMachine;
import dev.domus.kernel.engine.EngineVcpu;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.VcpuEngine;
import dev.domus.memory.Window;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * From EVTCHNOP_send to the first instruction of the vCPU that it wakes. The sender is a guest
 * whose hypercalls the benchmark's thread makes, the other a guest on a pCPU of its own: its engine
 * says that it has been entered, takes the event, and blocks. Before each send the pCPU's thread is
 * seen parked. The lower bound is {@link #park}: one thread wakes another by unpark, with nothing
 * of a hypervisor in between.
 *
 * <p>Wants two host CPUs that are free; of the percentiles it is the middle ones that say
 * something.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class EventWake {
  private static final int ARGUMENT_PFN = 520, STACK_PFN = 600;
  private static final long CALLBACK = 0x1000, NOWHERE = 0x2000;
  private static final int SCHEDOP_BLOCK = 1;
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

  private BenchGuests guests;
  private BenchGuests.Guest sender;
  private Thread pcpu;
  private volatile long entered;
  private long before;

  /** Machine address of the sleeper's shared-info page. */
  private long sleeperInfo;

  private Thread bare;
  private volatile long bareWoken;
  private volatile boolean bareOver;

  /** Connects two guests and lets one of them run. */
  @Setup
  public void connect() {
    guests = new BenchGuests(new Sleeper());
    sender = guests.build();
    BenchGuests.Guest sleeper = guests.build();
    int far = guests.domain(sleeper.domid()).events().allocUnbound(sleeper.domid(), sender.domid());
    int port = guests.domain(sender.domid()).events().bindInterdomain(sleeper.domid(), far);
    try (Window window = sender.map(ARGUMENT_PFN, 1)) {
      window.putInt(0, port);
    }
    sleeperInfo = guests.domain(sleeper.domid()).sharedInfo();
    sleeper.call(HypercallNumber.SET_CALLBACKS, CALLBACK, NOWHERE, 0, 0);
    guests.control().unpause(sleeper.domid());
    pcpu =
        Thread.getAllStackTraces().keySet().stream()
            .filter(thread -> thread.getName().equals("pcpu-0"))
            .findFirst()
            .orElseThrow();
    bare = new Thread(this::wakeAndPark, "bare");
    bare.setDaemon(true);
    bare.start();
  }

  private void wakeAndPark() {
    while (!bareOver) {
      LockSupport.park();
      bareWoken++;
    }
  }

  /** Returns when whoever is to be woken is asleep. */
  @Setup(Level.Invocation)
  public void awaitSleep() {
    while (pcpu.getState() == Thread.State.RUNNABLE || bare.getState() == Thread.State.RUNNABLE) {
      Thread.yield();
    }
  }

  /** Gives the machine back. */
  @TearDown
  public void close() {
    bareOver = true;
    LockSupport.unpark(bare);
    guests.close();
  }

  /** The lower bound. */
  @Benchmark
  public long park() {
    before = bareWoken;
    LockSupport.unpark(bare);
    while (bareWoken == before) {
      Thread.onSpinWait();
    }
    return before;
  }

  /** Send, wake-up, pick, and entry. */
  @Benchmark
  @MappingPath(
      value = "event-send",
      what = "an event wakes a vCPU that sleeps, up to its first instruction",
      floor = "park")
  public long send() {
    before = entered;
    sender.mustSucceed(
        HypercallNumber.EVENT_CHANNEL_OP, EventChannelLayout.SEND, (long) ARGUMENT_PFN << 12, 0, 0);
    while (entered == before) {
      Thread.onSpinWait();
    }
    return before;
  }

  /** Enters, takes the event, blocks. */
  private final class Sleeper implements Engine {
    @Override
    public String name() {
      return BenchGuests.ENGINE;
    }

    @Override
    public String description() {
      return "sleeps, and says when it was woken";
    }

    @Override
    public Optional<String> unusableBecause() {
      return Optional.empty();
    }

    @Override
    public VcpuEngine attach(EngineMachine machine, EngineVcpu vcpu) {
      return new VcpuEngine() {
        @Override
        public Exit run(long budget) {
          entered = entered + 1; // one pCPU, so there is one writer
          takeEvent(machine.memory(), sleeperInfo);
          CpuState s = vcpu.state();
          s.gpr[CpuState.RSP] = (long) STACK_PFN << 12;
          s.gpr[CpuState.RAX] = HypercallNumber.SCHED_OP;
          s.gpr[CpuState.RDI] = SCHEDOP_BLOCK;
          s.rip = CALLBACK;
          s.retired++;
          return Exit.SYSCALL;
        }

        @Override
        public Exit stepOver(long va, long mfn) {
          throw new IllegalStateException("nothing is stepped over");
        }

        @Override
        public void kick() {}

        @Override
        public void invalidate(long invalidation) {}

        @Override
        public void close() {}
      };
    }

    private static void takeEvent(MemorySegment memory, long page) {
      memory.set(ValueLayout.JAVA_BYTE, page + SharedInfoLayout.UPCALL_PENDING, (byte) 0);
      LONG.getAndSet(memory, page + SharedInfoLayout.PENDING_SEL, 0L);
      LONG.getAndSet(memory, page + SharedInfoLayout.EVTCHN_PENDING, 0L);
    }
  }
}
