package dev.domus.nvme;

import dev.domus.iommu.DmaPort;
import dev.domus.kernel.device.DeviceBus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;

/**
 * The thread of one completion queue: fetches the commands of all submission queues that complete
 * there, does them, posts. So each queue has one thread that writes to it, and none needs a lock.
 *
 * <h2>In and out</h2>
 *
 * <p>A worker is <i>in</i> while it may touch memory or change the disk. A reset marks the session
 * as over, and then waits until nobody is in; a worker goes in first, and looks at the session
 * then. Both sides write before they read (Dekker), so either the worker sees that it is over or
 * the reset sees the worker. While the host reads or flushes its disk, which can take seconds, the
 * worker is out ({@link #stepOut}): a reset does not wait for that, and the worker finds out when
 * it comes back.
 *
 * <h2>Fairness and interrupts</h2>
 *
 * <p>Submission queues have one command each in turn (round robin, 4.13). An interrupt is sent when
 * nothing is left to do, or after {@value #BATCH} commands, or as coalescing says: never more than
 * one a completion.
 */
final class QueueWorker implements Runnable {
  private static final int BATCH = 8;
  private static final int STACK = 8;

  private final int index;
  private final Controller controller;
  private final DeviceBus bus;
  private final DmaPort dma;
  private final ErrorLog errors;
  private final NvmCommands nvm;
  private final AdminCommands admin;
  private final MemorySegment command =
      Arena.ofAuto().allocate(CommandLayout.COMMAND_BYTES, CommandLayout.COMMAND_BYTES);

  private volatile Thread thread;
  private volatile boolean in;
  private volatile boolean woken;

  /** How long completions may still wait for their interrupt; 0 if none does. */
  private long tellInNanos;

  QueueWorker(
      int index,
      Controller controller,
      DeviceBus bus,
      Namespace namespace,
      ErrorLog errors,
      Counters counters,
      LogPages logs) {
    this.index = index;
    this.controller = controller;
    this.bus = bus;
    this.dma = bus.dma();
    this.errors = errors;
    nvm = index == 0 ? null : new NvmCommands(this, dma, namespace, counters);
    admin = index == 0 ? new AdminCommands(controller, this, dma, namespace, logs) : null;
  }

  // ---- of other threads

  /**
   * There may be something to do. Said by a flag: the permit of an unpark alone may be used up by
   * whatever the worker waits for on its way to park, a lock in the host's file, say.
   */
  void wake() {
    if (!woken) {
      woken = true;
      LockSupport.unpark(thread);
    }
  }

  boolean isIn() {
    return in;
  }

  /** The innermost calls that it is in. */
  String where() {
    return Arrays.stream(thread.getStackTrace())
        .limit(STACK)
        .map(StackTraceElement::toString)
        .collect(Collectors.joining(" < "));
  }

  // ---- of the worker

  /** From here on it touches neither memory nor the disk's contents. */
  void stepOut() {
    in = false;
    controller.tellWaiting();
  }

  /** It does again; the session has to be looked at after that. */
  void stepIn() {
    in = true;
  }

  @Override
  public void run() {
    thread = Thread.currentThread();
    while (!Thread.currentThread().isInterrupted()) {
      woken = false; // before it looks: who has something to do says so, and then wakes it
      stepIn();
      Session session = controller.session();
      tellInNanos = 0;
      boolean more = session != null && session.isOn() && round(session);
      stepOut();
      if (index == 0) {
        more |= controller.chores();
      }
      if (!more && !woken) {
        if (tellInNanos != 0) {
          LockSupport.parkNanos(this, tellInNanos);
        } else {
          LockSupport.park(this);
        }
      }
    }
  }

  /** Some commands; whether there may be more to do now. */
  private boolean round(Session session) {
    CompletionQueue completions = session.completion(index);
    if (completions == null) {
      return false;
    }
    SubmissionQueue[] queues = completions.submitters;
    int left = BATCH;
    boolean any = true;
    while (any && left > 0) {
      any = false;
      for (SubmissionQueue queue : queues) {
        if (queue.deleting) {
          abortRest(session, queue);
        } else if (!completions.isFull() && !queue.isEmpty()) {
          any = true;
          left--;
          one(session, queue);
        }
        if (!session.isOn()) {
          return false;
        }
      }
    }
    if (index == 0 && !session.events.tell(dma, completions, session.submission(0))) {
      controller.fatal(session);
      return false;
    }
    tell(session, completions);
    return any;
  }

  private boolean fetch(Session session, SubmissionQueue queue) {
    if (dma.read(queue.nextAddress(), command, 0, CommandLayout.COMMAND_BYTES) != DmaPort.OK) {
      controller.fatal(session);
      return false;
    }
    queue.fetched();
    return true;
  }

  private void one(Session session, SubmissionQueue queue) {
    if (!fetch(session, queue)) {
      return;
    }
    int status = index == 0 ? admin.execute(command, session) : nvm.execute(command, session);
    if (status != Status.NONE && session.isOn()) {
      post(session, queue, index == 0 ? admin.result() : 0, status);
    }
  }

  private void post(Session session, SubmissionQueue queue, int result, int status) {
    int id = CommandLayout.commandId(command);
    if (status != Status.SUCCESS) {
      long block = queue.id == 0 ? 0 : CommandLayout.firstBlock(command);
      errors.record(queue.id, id, status, block, CommandLayout.namespace(command));
    }
    if (!queue.completions.post(dma, result, queue, id, status)) {
      controller.fatal(session);
    }
  }

  /** Commands of a queue that is being deleted, as far as there is room for their completions. */
  private void abortRest(Session session, SubmissionQueue queue) {
    while (session.isOn()
        && !queue.gone
        && !queue.isEmpty()
        && !queue.completions.isFull()
        && fetch(session, queue)) {
      post(session, queue, 0, Status.SQ_DELETED);
    }
    queue.gone = true;
    controller.tellWaiting();
  }

  private void tell(Session session, CompletionQueue queue) {
    if (queue.untold == 0) {
      return;
    }
    if (queue.vector < 0) {
      queue.untold = 0;
      return;
    }
    int threshold = session.features.coalescingThreshold(queue);
    if (threshold != 0 && queue.untold <= threshold) {
      long left = queue.untoldSince + session.features.coalescingNanos() - System.nanoTime();
      if (left > 0) {
        tellInNanos = left;
        return;
      }
    }
    bus.interrupt(queue.vector);
    queue.untold = 0;
  }
}
