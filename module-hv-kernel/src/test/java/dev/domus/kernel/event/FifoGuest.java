package dev.domus.kernel.event;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.SharedInfoLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * A guest's side of the FIFO ABI, after xen-pv-abi.md, 10.2: gives the pages, takes events off the
 * queues in the order of priorities, masks and unmasks. One consumer a vCPU; masking from any
 * thread.
 */
final class FifoGuest {
  static final int PENDING = 0x80000000, MASKED = 0x40000000, LINKED = 0x20000000;
  static final int BUSY = 0x10000000, LINK = 0x1FFFF;
  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
  private static final VarHandle BYTE = ValueLayout.JAVA_BYTE.varHandle();
  private static final int PAGE = 4096;

  final FakeMachine.Guest guest;
  private final FakeMachine machine;
  private final MemorySegment memory;
  private final int firstFrame;
  private final int[][] heads;
  private int pages;

  /** Control blocks go to the first frame, event words to those that follow. */
  FifoGuest(FakeMachine machine, FakeMachine.Guest guest, int firstFrame) {
    this.machine = machine;
    this.guest = guest;
    this.firstFrame = firstFrame;
    memory = machine.memory();
    heads = new int[guest.vcpus()][16];
  }

  /** Switches to FIFO with a control block for each vCPU and so many pages of words. */
  FifoGuest start(int eventPages) {
    for (int vcpu = 0; vcpu < guest.vcpus(); vcpu++) {
      assertEquals(0, guest.events.initControl(firstFrame, 72 * vcpu, vcpu));
    }
    for (int i = 0; i < eventPages; i++) {
      expand();
    }
    return this;
  }

  void expand() {
    assertEquals(0, guest.events.expandArray(firstFrame + 1 + pages++));
  }

  long word(int port) {
    return (long) (firstFrame + 1 + (port >>> 10)) * PAGE + (port & 1023) * 4L;
  }

  int load(int port) {
    return (int) INT.getVolatile(memory, word(port));
  }

  void store(int port, int value) {
    INT.setVolatile(memory, word(port), value);
  }

  int head(int vcpu, int priority) {
    return memory.get(ValueLayout.JAVA_INT, control(vcpu) + 8 + 4L * priority);
  }

  int ready(int vcpu) {
    return memory.get(ValueLayout.JAVA_INT, control(vcpu));
  }

  private long control(int vcpu) {
    return (long) firstFrame * PAGE + 72L * vcpu;
  }

  void mask(int port) {
    INT.getAndBitwiseOr(memory, word(port), MASKED);
  }

  /** As guests do it: waits while BUSY, and leaves a pending port to the hypercall. */
  void unmask(int port) {
    while (true) {
      int value = load(port);
      if ((value & MASKED) == 0) {
        return;
      }
      if ((value & PENDING) != 0) {
        assertEquals(0, guest.events.unmask(port));
        return;
      }
      int idle = value & ~BUSY;
      if (INT.compareAndSet(memory, word(port), idle, idle & ~MASKED)) {
        return;
      }
      Thread.onSpinWait();
    }
  }

  boolean upcallPending(int vcpu) {
    return guest.upcallPending(vcpu);
  }

  /** Does what an upcall handler does; returns the ports taken, in order. */
  List<Integer> take(int vcpu) {
    List<Integer> taken = new ArrayList<>();
    BYTE.setVolatile(memory, guest.vcpuInfo(vcpu) + SharedInfoLayout.UPCALL_PENDING, (byte) 0);
    int ready = (int) INT.getAndSet(memory, control(vcpu), 0);
    while (ready != 0) {
      int priority = Integer.numberOfTrailingZeros(ready);
      int port = heads[vcpu][priority];
      if (port == 0) {
        port = (int) INT.getVolatile(memory, control(vcpu) + 8 + 4L * priority);
      }
      assertTrue(port > 0 && port < 1 << 17, "a head names a port: " + port);
      int next = clearLinked(port);
      heads[vcpu][priority] = next;
      if (next == 0) {
        ready &= ~(1 << priority);
      }
      if ((load(port) & (PENDING | MASKED)) == PENDING) {
        INT.getAndBitwiseAnd(memory, word(port), ~PENDING);
        taken.add(port);
      }
      ready |= (int) INT.getAndSet(memory, control(vcpu), 0);
    }
    return taken;
  }

  private int clearLinked(int port) {
    int old;
    do {
      old = load(port);
    } while (!INT.compareAndSet(memory, word(port), old, old & ~(LINKED | LINK)));
    return old & LINK;
  }

  int references() {
    int all = 0;
    for (int i = 0; i <= pages; i++) {
      all += machine.references(firstFrame + i);
    }
    return all;
  }
}
