package dev.domus.kernel.event;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import dev.domus.kernel.abi.SharedInfoLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;

/** {@link TwoLevelDelivery}: no event is lost between bits that are set and bits that are taken. */
public final class TwoLevelStress {
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final VarHandle BYTE = ValueLayout.JAVA_BYTE.varHandle();

  private TwoLevelStress() {}

  /** A shared info page of its own, port 70, and what a guest does to its bits. */
  private static final class Guest implements EventTarget {
    final MemorySegment memory = MemorySegment.ofArray(new long[512]);
    final Port port = new Port(70);
    final TwoLevelDelivery delivery;
    private final long pending = SharedInfoLayout.EVTCHN_PENDING + 8;
    private final long mask = SharedInfoLayout.EVTCHN_MASK + 8;
    private volatile int upcalls;

    Guest() {
      delivery = new TwoLevelDelivery(memory, this);
    }

    void mask() {
      LONG.setVolatile(memory, mask, 1L << 70);
    }

    boolean flag() {
      return (byte) BYTE.getVolatile(memory, SharedInfoLayout.UPCALL_PENDING) != 0;
    }

    boolean selected() {
      return (long) LONG.getVolatile(memory, SharedInfoLayout.PENDING_SEL) != 0;
    }

    /** An upcall handler: the flag, then the selector, then the word; whether it found the port. */
    boolean scan() {
      BYTE.setVolatile(memory, SharedInfoLayout.UPCALL_PENDING, (byte) 0);
      long selector = (long) LONG.getAndSet(memory, SharedInfoLayout.PENDING_SEL, 0L);
      return (selector >>> 1 & 1) != 0 && (long) LONG.getAndSet(memory, pending, 0L) != 0;
    }

    @Override
    public int domid() {
      return 1;
    }

    @Override
    public int vcpus() {
      return 1;
    }

    @Override
    public long vcpuInfo(int vcpu) {
      return 0;
    }

    @Override
    public long sharedInfo() {
      return 0;
    }

    @Override
    public void upcall(int vcpu) {
      upcalls++;
    }

    @Override
    public void portPending(int number) {}
  }

  /** A masked port becomes pending while the guest unmasks it. */
  @JCStressTest
  @Outcome(id = "1", expect = ACCEPTABLE, desc = "the guest is told")
  @Outcome(id = "0", expect = FORBIDDEN, desc = "pending and unmasked, and nobody says so")
  @State
  public static class SendAgainstUnmask {
    private final Guest guest = new Guest();

    /** Masked. */
    public SendAgainstUnmask() {
      guest.mask();
    }

    /** Sends. */
    @Actor
    public void send() {
      guest.delivery.setPending(guest.port);
    }

    /** Unmasks. */
    @Actor
    public void unmask() {
      guest.delivery.unmask(guest.port);
    }

    /** Whether the guest will look. */
    @Arbiter
    public void look(I_Result r) {
      r.r1 = guest.flag() && guest.selected() && guest.upcalls > 0 ? 1 : 0;
    }
  }

  /** A port becomes pending while the guest scans for earlier ones. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1", "1, 1"},
      expect = ACCEPTABLE,
      desc = "seen, or yet to be seen")
  @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "the event is lost")
  @State
  public static class SendAgainstScan {
    private final Guest guest = new Guest();

    /** Something else was pending in the word. */
    public SendAgainstScan() {
      guest.delivery.setPending(new Port(71));
    }

    /** Sends. */
    @Actor
    public void send() {
      guest.delivery.setPending(guest.port);
    }

    /** Scans; what it finds is the earlier one, and perhaps this. */
    @Actor
    public void scan() {
      guest.scan();
    }

    /** Whether the port is taken, and whether the guest will look again. */
    @Arbiter
    public void look(II_Result r) {
      r.r1 = guest.delivery.isPending(guest.port) ? 0 : 1;
      r.r2 = guest.flag() && guest.selected() ? 1 : 0;
    }
  }
}
