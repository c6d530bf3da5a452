package dev.domus.jmh;

import dev.domus.bench.MappingPath;
import dev.domus.kernel.abi.FifoLayout;
import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.event.EventChannels;
import dev.domus.kernel.event.EventDomains;
import dev.domus.kernel.event.EventTarget;
import dev.domus.kernel.mmu.FrameReferences;
import dev.domus.kernel.trace.ring.Tracer;
import java.lang.foreign.Arena;
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
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * EVTCHNOP_send between two guests, without waking anybody. The floor is one atomic bit operation
 * on guest memory ({@link #floor}): by two levels a send needs one if the port is pending, two and
 * three loads if it is not; by FIFO one and four; beside the two that say that a delivery is under
 * way. Run with {@code -prof gc}: nothing may be allocated.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class EventSend {
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
  private static final int PAGE = 4096;
  private static final int FIFO_CONTROL = 4;
  private static final int FIFO_WORDS = 5;

  private Arena arena;
  private MemorySegment memory;
  private EventChannels sender;
  private int port;
  private int fifoPort;
  private int fifoFarPort;

  /** Guests get every frame they ask for. */
  private static final FrameReferences EVERYBODYS =
      new FrameReferences() {
        @Override
        public boolean get(int domid, long mfn) {
          return true;
        }

        @Override
        public void put(long mfn) {}

        @Override
        public boolean getWritable(int domid, long mfn) {
          return true;
        }

        @Override
        public void putWritable(long mfn) {}
      };

  private record Guest(int domid) implements EventTarget {
    @Override
    public int vcpus() {
      return 1;
    }

    @Override
    public long vcpuInfo(int vcpu) {
      return sharedInfo();
    }

    @Override
    public long sharedInfo() {
      return (long) domid * PAGE;
    }

    @Override
    public void upcall(int vcpu) {}

    @Override
    public void portPending(int port) {}
  }

  /** Connects domain 1 to domain 2. */
  @Setup
  public void connect() {
    arena = Arena.ofShared();
    memory = arena.allocate(8 * PAGE, PAGE);
    EventChannels[] domains = new EventChannels[4];
    Tracer tracer = new Tracer(System::nanoTime);
    EventDomains lookup =
        new EventDomains() {
          @Override
          public Optional<EventChannels> events(int domid) {
            return Optional.of(domains[domid]);
          }

          @Override
          public boolean mayControl(int callerDomid, int targetDomid) {
            return false;
          }

          @Override
          public MemorySegment memory() {
            return memory;
          }

          @Override
          public FrameReferences frameReferences() {
            return EVERYBODYS;
          }

          @Override
          public Tracer tracer() {
            return tracer;
          }
        };
    domains[1] = new EventChannels(new Guest(1), lookup);
    domains[2] = new EventChannels(new Guest(2), lookup);
    domains[3] = new EventChannels(new Guest(3), lookup);
    domains[3].initControl(FIFO_CONTROL, 0, 0);
    domains[3].expandArray(FIFO_WORDS);
    sender = domains[1];
    port = sender.bindInterdomain(2, domains[2].allocUnbound(2, 1));
    fifoFarPort = domains[3].allocUnbound(3, 1);
    fifoPort = sender.bindInterdomain(3, fifoFarPort);
  }

  /** Gives the memory back. */
  @TearDown
  public void free() {
    arena.close();
  }

  /** The baseline: one atomic bit operation on the same memory. */
  @Benchmark
  public long floor() {
    return (long) LONG.getAndBitwiseOr(memory, 3L * PAGE, 1L);
  }

  /** A send to a port that is pending already. */
  @Benchmark
  public int coalesced() {
    return sender.send(port);
  }

  /** A send to a port that is not, and what the guest does to take the event. */
  @Benchmark
  @MappingPath(
      value = "event-send",
      what = "an event is sent that makes a port pending, with two levels",
      floor = "floor")
  public int delivered() {
    int result = sender.send(port);
    long page = 2L * PAGE;
    memory.set(ValueLayout.JAVA_BYTE, page + SharedInfoLayout.UPCALL_PENDING, (byte) 0);
    LONG.getAndSet(memory, page + SharedInfoLayout.PENDING_SEL, 0L);
    LONG.getAndBitwiseAnd(memory, page + SharedInfoLayout.EVTCHN_PENDING, ~(1L << port));
    return result;
  }

  /** {@link #coalesced} to a guest with the FIFO ABI. */
  @Benchmark
  public int fifoCoalesced() {
    return sender.send(fifoPort);
  }

  /** {@link #delivered} to a guest with the FIFO ABI. */
  @Benchmark
  @MappingPath(
      value = "event-send",
      what = "an event is sent that makes a port pending, with FIFO queues",
      floor = "floor")
  public int fifoDelivered() {
    int result = sender.send(fifoPort);
    memory.set(ValueLayout.JAVA_BYTE, 3L * PAGE + SharedInfoLayout.UPCALL_PENDING, (byte) 0);
    INT.getAndSet(memory, (long) FIFO_CONTROL * PAGE + FifoLayout.READY, 0);
    long word = (long) FIFO_WORDS * PAGE + 4L * fifoFarPort;
    INT.compareAndSet(memory, word, FifoLayout.PENDING | FifoLayout.LINKED, FifoLayout.PENDING);
    INT.getAndBitwiseAnd(memory, word, ~FifoLayout.PENDING);
    return result;
  }
}
