package dev.domus.nvme;

import static dev.domus.nvme.RegisterLayout.ACQ;
import static dev.domus.nvme.RegisterLayout.AQA;
import static dev.domus.nvme.RegisterLayout.ASQ;
import static dev.domus.nvme.RegisterLayout.CC;
import static dev.domus.nvme.RegisterLayout.CSTS;
import static dev.domus.nvme.RegisterLayout.INTMC;
import static dev.domus.nvme.RegisterLayout.INTMS;

import dev.domus.kernel.device.Bar;
import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceBus;
import dev.domus.kernel.device.FunctionSpec;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.device.Registers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The controller as software sees it: registers, enable and disable, doorbells. All work is done by
 * {@link QueueWorker}s, one for each pair of queues.
 *
 * <h2>States</h2>
 *
 * <pre>
 *          CC.EN = 1                CC.EN = 0               workers are out
 *    OFF ------------> ON (RDY) ------------> CLOSING (RDY) ----------------> OFF, or ON if CC.EN = 1
 *     ^                                                                        |
 *     '------------------------- reset() from any, waits ----------------------'
 * </pre>
 *
 * <p>A disable must not wait on the device's thread, so the admin worker ends it ({@link #chores}).
 * What software stores meanwhile is kept, and looked at afterwards. State, CSTS and CC change under
 * {@link #life}, which is held for a few instructions; doorbells take no lock.
 */
final class Controller implements Device {
  /** Vendor of all devices modelled here. */
  static final int VENDOR = 0x1d0d;

  private static final int DEVICE = 0x0e3e;

  /** Mass storage, non-volatile memory, NVM Express. */
  private static final int CLASS = 0x010802;

  private static final int BAR = 0;
  private static final int NO_COMMAND = 0xffff;
  private static final long LEAVE_NANOS = TimeUnit.MILLISECONDS.toNanos(1500);

  private enum State {
    OFF,
    ON,
    CLOSING
  }

  private final Namespace namespace;
  private final int pairs;
  private final ErrorLog errors = new ErrorLog();
  private final Counters[] counters;
  private final QueueWorker[] workers;
  private DeviceBus bus;
  private Registers registers;

  private final Object life = new Object();
  private State state = State.OFF;
  private boolean shutdownWanted;
  private volatile Session session;

  /** Waiting for workers. */
  private final Object out = new Object();

  private volatile int waiting;

  Controller(Namespace namespace, int pairs) {
    this.namespace = namespace;
    this.pairs = pairs;
    counters = new Counters[pairs + 1];
    Arrays.setAll(counters, i -> new Counters());
    workers = new QueueWorker[pairs + 1];
  }

  @Override
  public FunctionSpec function() {
    return new FunctionSpec(
        VENDOR,
        DEVICE,
        1,
        CLASS,
        VENDOR,
        DEVICE,
        List.of(new Bar(BAR, RegisterLayout.BYTES)),
        InterruptKind.MSI_X,
        pairs + 1);
  }

  @Override
  public void start(DeviceBus itsBus) {
    bus = itsBus;
    registers = bus.registers(BAR);
    LogPages logs = new LogPages(errors, counters);
    for (int i = 0; i <= pairs; i++) {
      workers[i] = new QueueWorker(i, this, bus, namespace, errors, counters[i], logs);
    }
    for (int i = 0; i <= pairs; i++) {
      bus.work(i == 0 ? "admin" : "queue-" + i, workers[i]);
    }
  }

  @Override
  public void reset() {
    synchronized (life) {
      endSession();
    }
    if (!awaitOut(0, LEAVE_NANOS)) {
      bus.fail("its workers did not leave the queues in 1.5 s" + whoIsIn());
      return;
    }
    synchronized (life) {
      state = State.OFF;
      shutdownWanted = false;
      errors.clear();
      for (Counters of : counters) {
        of.clear();
      }
      registers.clear();
      registers.set(RegisterLayout.CAP, Long.BYTES, RegisterLayout.cap());
      registers.set(RegisterLayout.VS, Integer.BYTES, RegisterLayout.VERSION);
    }
  }

  @Override
  public void close() {
    synchronized (life) {
      endSession();
    }
    awaitOut(0, LEAVE_NANOS);
    try {
      if (!namespace.disk().isReadOnly()) {
        namespace.disk().flush();
      }
      namespace.disk().close();
    } catch (IOException e) {
      throw new UncheckedIOException("closing the disk of an NVMe controller", e);
    }
  }

  // ---- stores

  @Override
  public void store(int bar, long offset, int size, long value) {
    if (offset >= RegisterLayout.DOORBELLS) {
      if (size == Integer.BYTES) {
        doorbell(offset, (int) value);
      }
    } else if (size == Long.BYTES) {
      if (offset == ASQ || offset == ACQ) {
        storeAdmin(offset, size, value);
      }
    } else if (size == Integer.BYTES) {
      storeWord((int) offset, (int) value);
    }
  }

  private void storeWord(int offset, int value) {
    switch (offset) {
      case CC -> storeConfiguration(value);
      case AQA, ASQ, ASQ + Integer.BYTES, ACQ, ACQ + Integer.BYTES ->
          storeAdmin(offset, Integer.BYTES, value);
      case INTMS -> storeMask((int) registers.get(INTMS, Integer.BYTES) | value);
      case INTMC -> storeMask((int) registers.get(INTMS, Integer.BYTES) & ~value);
      default -> {} // read only, or nothing
    }
  }

  /** Both registers read as the mask. */
  private void storeMask(int mask) {
    registers.set(INTMS, Integer.BYTES, mask);
    registers.set(INTMC, Integer.BYTES, mask);
  }

  /** Where the admin queues are is taken at the next enable. */
  private void storeAdmin(long offset, int size, long value) {
    registers.set(offset, size, value);
  }

  private void doorbell(long offset, int value) {
    Session now = session;
    if (now == null || !now.isOn()) {
      return;
    }
    int id = RegisterLayout.doorbellQueue(offset);
    boolean made;
    int info = AsyncEvents.INVALID_DOORBELL_VALUE;
    if (RegisterLayout.isCompletionDoorbell(offset)) {
      CompletionQueue queue = now.completion(id);
      made = queue != null && queue.ring(value);
      info = queue == null ? AsyncEvents.INVALID_DOORBELL : info;
      if (made) {
        wake(id);
      }
    } else {
      SubmissionQueue queue = now.submission(id);
      made = queue != null && queue.ring(value);
      info = queue == null ? AsyncEvents.INVALID_DOORBELL : info;
      if (made) {
        wake(queue.completions.id);
      }
    }
    if (!made) {
      errors.record(id, NO_COMMAND, Status.INVALID_FIELD, 0, 0);
      now.events.report(AsyncEvents.ERROR, info);
      wake(0);
    }
  }

  // ---- enable, disable, shutdown (3.1.5, 3.1.6, 7.6)

  private void storeConfiguration(int value) {
    synchronized (life) {
      registers.set(CC, Integer.BYTES, value);
      boolean enable = (value & RegisterLayout.CC_EN) != 0;
      if (enable && state == State.OFF) {
        enable();
      } else if (!enable && state == State.ON) {
        endSession();
        state = State.CLOSING;
      }
      if (RegisterLayout.wantsShutdown(value)
          && (csts() & RegisterLayout.CSTS_SHST) == 0
          && state != State.CLOSING) {
        setCsts(csts() | RegisterLayout.SHST_OCCURRING);
        shutdownWanted = true;
      }
    }
    wake(0);
  }

  private void enable() {
    int aqa = (int) registers.get(AQA, Integer.BYTES);
    long submissions = registers.get(ASQ, Long.BYTES);
    long completions = registers.get(ACQ, Long.BYTES);
    int submissionEntries = RegisterLayout.adminSubmissionEntries(aqa);
    int completionEntries = RegisterLayout.adminCompletionEntries(aqa);
    state = State.ON;
    if (!RegisterLayout.isSupported(cc())
        || submissionEntries < 2
        || completionEntries < 2
        || ((submissions | completions) & RegisterLayout.PAGE - 1) != 0) {
      setCsts(RegisterLayout.CSTS_CFS); // never ready; a disable ends it
      return;
    }
    Session next = new Session(pairs);
    CompletionQueue to = new CompletionQueue(0, completions, completionEntries, 0);
    next.add(to);
    next.add(new SubmissionQueue(0, submissions, submissionEntries, to));
    session = next;
    setCsts(RegisterLayout.CSTS_RDY);
  }

  /** Under {@link #life}. */
  private void endSession() {
    Session last = session;
    if (last != null) {
      last.over = true;
      session = null;
    }
    tellWaiting();
  }

  /**
   * What the admin worker does beside commands: ends a disable, and shuts down.
   *
   * @return whether there may be more to do
   */
  boolean chores() {
    boolean closing;
    boolean shutdown;
    synchronized (life) {
      closing = state == State.CLOSING;
      shutdown = shutdownWanted;
      shutdownWanted = false;
    }
    if (closing && awaitOut(1, Long.MAX_VALUE)) {
      synchronized (life) {
        if (state == State.CLOSING) { // no reset came first
          state = State.OFF;
          shutdownWanted = false;
          setCsts(0);
          if ((cc() & RegisterLayout.CC_EN) != 0) {
            enable();
          }
        }
      }
      return true;
    }
    if (shutdown) {
      shutDown();
    }
    return false;
  }

  private void shutDown() {
    try {
      namespace.disk().flush();
    } catch (IOException e) {
      Counters.add(counters[0].mediaErrors, 1);
    }
    synchronized (life) {
      if ((csts() & RegisterLayout.CSTS_SHST) == RegisterLayout.SHST_OCCURRING) {
        setCsts(csts() & ~RegisterLayout.CSTS_SHST | RegisterLayout.SHST_COMPLETE);
      }
    }
  }

  private int csts() {
    return (int) registers.get(CSTS, Integer.BYTES);
  }

  private void setCsts(int value) {
    registers.set(CSTS, Integer.BYTES, value);
  }

  /** CC as software wrote it last. */
  int cc() {
    return (int) registers.get(CC, Integer.BYTES);
  }

  // ---- for workers

  /** The session that is on, or null. */
  Session session() {
    return session;
  }

  void wake(int worker) {
    workers[worker].wake();
  }

  /** Memory refused an entry of a queue: nothing more can be told but this. */
  void fatal(Session of) {
    synchronized (life) {
      of.fatal = true;
      if (session == of) {
        setCsts(csts() | RegisterLayout.CSTS_CFS);
      }
    }
    tellWaiting();
  }

  /** A worker went out, a queue is gone, or a session is over. */
  void tellWaiting() {
    if (waiting != 0) {
      synchronized (out) {
        out.notifyAll();
      }
    }
  }

  /** Waits until no worker from this one on is in; false if that takes too long. */
  private boolean awaitOut(int from, long nanos) {
    long begin = System.nanoTime();
    synchronized (out) {
      waiting++;
      try {
        while (anyIn(from)) {
          long left = nanos - (System.nanoTime() - begin);
          if (left <= 0) {
            return false;
          }
          TimeUnit.NANOSECONDS.timedWait(out, left);
        }
        return true;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt(); // the device has failed, or is unplugged
        return false;
      } finally {
        waiting--;
      }
    }
  }

  /** For the operator: what held them up. */
  private String whoIsIn() {
    StringBuilder all = new StringBuilder();
    for (int i = 0; i <= pairs; i++) {
      if (workers[i].isIn()) {
        all.append("; worker ").append(i).append(" in ").append(workers[i].where());
      }
    }
    return all.toString();
  }

  private boolean anyIn(int from) {
    for (int i = from; i <= pairs; i++) {
      if (workers[i].isIn()) {
        return true;
      }
    }
    return false;
  }

  /** Waits until a queue's worker is done with it, or the session has ended. */
  void awaitGone(SubmissionQueue queue, Session of) {
    synchronized (out) {
      waiting++;
      try {
        while (!queue.gone && of.isOn()) {
          out.wait();
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } finally {
        waiting--;
      }
    }
  }
}
