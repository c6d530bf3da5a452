package dev.domus.dma;

import dev.domus.iommu.DmaPort;
import dev.domus.kernel.device.DeviceBus;
import dev.domus.kernel.device.Registers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The engine's thread: does the descriptors of the ring that it serves, and keeps the registers
 * that say how far it is.
 *
 * <h2>Changing rings</h2>
 *
 * <p>The device's thread says by {@link #serve} which ring is the current one, and the worker takes
 * it up when it next looks: before each descriptor, and between two pieces of one. It touches
 * registers and memory for the ring that it has taken up only, and looks before it does. For a
 * reset that is not enough, it must have left: {@link #leave} waits until {@code serving} is null.
 * The waiting is bounded by one piece of 64 KiB.
 *
 * <h2>Nothing that software wrote is trusted</h2>
 *
 * <p>A descriptor is read once, into the worker's own memory, and judged there. Indices are
 * compared with the ring before they are used. Whatever does not fit is an {@link ErrorCode}, which
 * is in the registers and, if that can be written, in the descriptor.
 */
final class Worker implements Runnable {
  /**
   * Less than the hypervisor waits for a reset, and more than a busy host keeps a thread waiting.
   */
  private static final long LEAVE_NANOS = TimeUnit.SECONDS.toNanos(8);

  private final DeviceBus bus;
  private final DmaPort dma;
  private final Registers registers;
  private final Interrupts interrupts;
  private final MemorySegment descriptor = Arena.ofAuto().allocate(DescriptorLayout.BYTES, 64);
  private final Operations operations;

  private volatile Thread thread;
  private volatile boolean woken;
  private volatile Ring wanted;

  /** The ring that is taken up. Written by the worker, under {@link #left} when it becomes null. */
  private volatile Ring serving;

  private final Object left = new Object();

  // What is known of the ring that is served.
  private int head;
  private long completed;
  private boolean erred;
  private int shownStatus;

  Worker(DeviceBus bus, Registers registers, Interrupts interrupts) {
    this.bus = bus;
    this.dma = bus.dma();
    this.registers = registers;
    this.interrupts = interrupts;
    operations = new Operations(dma);
  }

  // ---- of the device's thread

  /** From now on this ring, or none. */
  void serve(Ring ring) {
    wanted = ring;
    wake();
  }

  /**
   * There may be something to do. Said by a flag: the permit of an unpark alone may be used up by
   * whatever the worker waits for on its way to park.
   */
  void wake() {
    if (!woken) {
      woken = true;
      LockSupport.unpark(thread);
    }
  }

  /** No ring any more; returns when none is served, or fails the device. */
  void leave() {
    serve(null);
    long end = System.nanoTime() + LEAVE_NANOS;
    synchronized (left) {
      try {
        while (serving != null) {
          long nanos = end - System.nanoTime();
          if (nanos <= 0) {
            bus.fail("its worker did not leave the ring in 8 s");
            return;
          }
          TimeUnit.NANOSECONDS.timedWait(left, nanos);
        }
      } catch (InterruptedException e) {
        Thread.currentThread()
            .interrupt(); // the device has failed or is unplugged: so will the worker
      }
    }
  }

  // ---- the worker

  @Override
  public void run() {
    thread = Thread.currentThread();
    while (!Thread.currentThread().isInterrupted()) {
      woken = false; // before it looks: who has something to do says so, and then wakes it
      takeUp(wanted);
      if ((serving == null || !step(serving)) && !woken) {
        LockSupport.park(this);
      }
    }
    takeUp(null);
  }

  private void takeUp(Ring ring) {
    if (ring == serving) {
      return;
    }
    if (ring == null) {
      show(RegisterLayout.DISABLED);
      synchronized (left) {
        serving = null;
        left.notifyAll();
      }
      return;
    }
    serving = ring;
    head = 0;
    completed = 0;
    erred = false;
    registers.set(RegisterLayout.HEAD, Integer.BYTES, 0);
    registers.set(RegisterLayout.COMPLETED, Long.BYTES, 0);
    registers.set(RegisterLayout.ERROR_INDEX, Integer.BYTES, 0);
    registers.set(RegisterLayout.ERROR_REASON, Integer.BYTES, 0);
    registers.set(RegisterLayout.ERROR_ADDRESS, Long.BYTES, 0);
    registers.set(RegisterLayout.ERROR, Integer.BYTES, 0);
    if (ring.makesSense()) {
      show(RegisterLayout.ENABLED);
    } else {
      fail(ErrorCode.BAD_RING, 0, ring.base);
    }
  }

  private void show(int status) {
    if (status != shownStatus) {
      shownStatus = status;
      registers.set(RegisterLayout.STATUS, Integer.BYTES, status);
    }
  }

  private void fail(ErrorCode error, int reason, long address) {
    erred = true;
    registers.set(RegisterLayout.ERROR_INDEX, Integer.BYTES, head);
    registers.set(RegisterLayout.ERROR_REASON, Integer.BYTES, reason);
    registers.set(RegisterLayout.ERROR_ADDRESS, Long.BYTES, address);
    registers.set(RegisterLayout.ERROR, Integer.BYTES, error.code());
    show(RegisterLayout.ERRED);
    interrupts.error();
  }

  /** Does a descriptor of the ring, if one is ready; says whether to look again at once. */
  private boolean step(Ring ring) {
    if (erred) {
      return false;
    }
    if (ring.abort) {
      ring.abort = false; // nothing is under way here
    }
    if (ring.paused) {
      interrupts.idle();
      show(RegisterLayout.PAUSED);
      return false;
    }
    show(RegisterLayout.ENABLED);
    int tail = ring.tail;
    if (!ring.has(tail)) {
      fail(ErrorCode.BAD_TAIL, 0, ring.base);
      return false;
    }
    if (tail == head) {
      interrupts.idle();
      return false;
    }
    doPlace(ring);
    return true;
  }

  /** A place in the ring: a descriptor, and the chain behind it. */
  private void doPlace(Ring ring) {
    long at = ring.addressOf(head);
    for (int count = 1; at != 0; count++) {
      if (count > DescriptorLayout.MAX_CHAIN || (at & DescriptorLayout.BYTES - 1) != 0) {
        fail(ErrorCode.BAD_CHAIN, 0, at);
        return;
      }
      int fault = dma.read(at, descriptor, 0, DescriptorLayout.BYTES);
      if (fault != DmaPort.OK) {
        fail(ErrorCode.DMA_FAULT, fault, at);
        return;
      }
      ErrorCode error = doDescriptor(ring, at);
      if (ring != wanted) {
        return; // disabled meanwhile
      }
      if (error == ErrorCode.ABORTED) {
        break;
      }
      if (error != ErrorCode.NONE) {
        fail(error, operations.fault(), at);
        return;
      }
      at = DescriptorLayout.next(descriptor);
    }
    head = ring.after(head);
    registers.set(RegisterLayout.HEAD, Integer.BYTES, head);
  }

  private ErrorCode doDescriptor(Ring ring, long at) {
    ErrorCode error = operations.judge(descriptor);
    while (error == ErrorCode.NONE && !operations.isDone()) {
      if (ring != wanted) {
        return error;
      }
      error = ring.abort ? ErrorCode.ABORTED : operations.piece();
    }
    int status = error == ErrorCode.NONE ? DescriptorLayout.DONE : error.code();
    int unwritten = writeBack(at, status);
    if (error == ErrorCode.NONE && unwritten != DmaPort.OK) {
      operations.fault(unwritten);
      return ErrorCode.DMA_FAULT;
    }
    if (error == ErrorCode.NONE) {
      registers.set(RegisterLayout.COMPLETED, Long.BYTES, ++completed);
      if (DescriptorLayout.wantsInterrupt(descriptor)) {
        interrupts.completed();
      }
    }
    return error;
  }

  private int writeBack(long at, int status) {
    int fault = dma.storeLong(at + DescriptorLayout.RESULT, operations.result());
    if (fault == DmaPort.OK) {
      fault = dma.storeInt(at + DescriptorLayout.FAULT, operations.fault());
    }
    return fault == DmaPort.OK ? dma.storeInt(at + DescriptorLayout.STATUS, status) : fault;
  }
}
