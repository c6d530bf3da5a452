package dev.domus.kernel.trace.ring;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.MemoryAddress;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/**
 * Records as events of the JVM's flight recorder: they lie on the pCPU's thread beside the JVM's
 * own events, so that a pause of the garbage collector can be seen under the guest that it held up.
 * Each is an instant; what took time says how much. Committing may allocate, so this is only for
 * recordings that ask for it.
 */
final class FlightEvents {
  private static final TraceEvent[] KINDS = new TraceEvent[32];

  static {
    for (TraceEvent kind : TraceEvent.values()) {
      KINDS[kind.code()] = kind;
    }
  }

  private FlightEvents() {}

  /** Commits a record that was just written by this thread. */
  static void commit(int code, int detail, int domid, int vcpu, long a, long b) {
    OfVcpu event =
        switch (KINDS[code]) {
          case WAKE -> {
            Wake e = new Wake();
            e.wakerDomain = (int) a >> 16;
            e.wakerVcpu = (short) a;
            yield e;
          }
          case ENQUEUE -> new Enqueue();
          case PICK -> {
            Pick e = new Pick();
            e.slice = a;
            e.took = b;
            yield e;
          }
          case SWITCH_IN -> {
            SwitchIn e = new SwitchIn();
            e.slice = a;
            yield e;
          }
          case SWITCH_OUT -> {
            SwitchOut e = new SwitchOut();
            e.reason = detail;
            e.ran = a;
            e.runstate = (int) b;
            yield e;
          }
          case BLOCK -> {
            Block e = new Block();
            e.runstate = detail;
            yield e;
          }
          case MIGRATE -> {
            Migrate e = new Migrate();
            e.from = (int) a;
            yield e;
          }
          case SWAP -> {
            Swap e = new Swap();
            e.swapped = detail != 0;
            e.held = b;
            yield e;
          }
          case SCHED_FAULT -> {
            SchedulerFault e = new SchedulerFault();
            e.kind = detail;
            yield e;
          }
          case HYPERCALL -> {
            Hypercall e = new Hypercall();
            e.number = TraceRecord.high(a);
            e.command = detail;
            e.took = TraceRecord.low(a);
            e.result = b;
            yield e;
          }
          case EVENT -> {
            PortEvent e = new PortEvent();
            e.port = (int) a;
            yield e;
          }
          case GRANT -> {
            Grant e = new Grant();
            e.command = detail;
            e.granter = TraceRecord.high(a);
            e.reference = TraceRecord.low(a);
            e.status = b;
            yield e;
          }
          case FAULT -> {
            Fault e = new Fault();
            e.vector = detail;
            e.address = a;
            e.errorCode = b;
            yield e;
          }
        };
    event.domain = domid;
    event.vcpu = vcpu;
    event.commit();
  }

  /** What all have. The idle vCPU's domain is 32767. */
  private abstract static class OfVcpu extends Event {
    @Label("Domain")
    int domain;

    @Label("vCPU")
    int vcpu;
  }

  @Name("dev.domus.Wake")
  @Label("Wake-up")
  @Category({"Domus", "Scheduling"})
  @StackTrace(false)
  private static final class Wake extends OfVcpu {
    @Label("Waker's domain")
    int wakerDomain;

    @Label("Waker's vCPU")
    int wakerVcpu;
  }

  @Name("dev.domus.Enqueue")
  @Label("Runnable")
  @Category({"Domus", "Scheduling"})
  @StackTrace(false)
  private static final class Enqueue extends OfVcpu {}

  @Name("dev.domus.Pick")
  @Label("Decision")
  @Category({"Domus", "Scheduling"})
  @StackTrace(false)
  private static final class Pick extends OfVcpu {
    @Label("Slice")
    @Timespan
    long slice;

    @Label("Decision took")
    @Timespan
    long took;
  }

  @Name("dev.domus.SwitchIn")
  @Label("vCPU on")
  @Category({"Domus", "Scheduling"})
  @StackTrace(false)
  private static final class SwitchIn extends OfVcpu {
    @Label("Slice")
    @Timespan
    long slice;
  }

  @Name("dev.domus.SwitchOut")
  @Label("vCPU off")
  @Category({"Domus", "Scheduling"})
  @StackTrace(false)
  private static final class SwitchOut extends OfVcpu {
    @Label("Reason")
    int reason;

    @Label("Run state")
    int runstate;

    @Label("CPU time")
    @Timespan
    long ran;
  }

  @Name("dev.domus.Block")
  @Label("Block")
  @Category({"Domus", "Scheduling"})
  @StackTrace(false)
  private static final class Block extends OfVcpu {
    @Label("Run state")
    int runstate;
  }

  @Name("dev.domus.Migrate")
  @Label("Migration")
  @Category({"Domus", "Scheduling"})
  @StackTrace(false)
  private static final class Migrate extends OfVcpu {
    @Label("From pCPU")
    int from;
  }

  @Name("dev.domus.Swap")
  @Label("Scheduler swap")
  @Category({"Domus", "Schedulers"})
  @StackTrace(false)
  private static final class Swap extends OfVcpu {
    @Label("Swapped")
    boolean swapped;

    @Label("pCPUs held")
    @Timespan
    long held;
  }

  @Name("dev.domus.SchedulerFault")
  @Label("Scheduler fault")
  @Category({"Domus", "Schedulers"})
  @StackTrace(false)
  private static final class SchedulerFault extends OfVcpu {
    @Label("Kind")
    int kind;
  }

  @Name("dev.domus.Hypercall")
  @Label("Hypercall")
  @Category({"Domus", "Guests"})
  @StackTrace(false)
  private static final class Hypercall extends OfVcpu {
    @Label("Number")
    int number;

    @Label("Command")
    int command;

    @Label("Took")
    @Timespan
    long took;

    @Label("Result")
    long result;
  }

  @Name("dev.domus.Event")
  @Label("Event")
  @Category({"Domus", "Guests"})
  @StackTrace(false)
  private static final class PortEvent extends OfVcpu {
    @Label("Port")
    int port;
  }

  @Name("dev.domus.Grant")
  @Label("Grant")
  @Category({"Domus", "Guests"})
  @StackTrace(false)
  private static final class Grant extends OfVcpu {
    @Label("Command")
    int command;

    @Label("Granting domain")
    int granter;

    @Label("Reference or handle")
    long reference;

    @Label("Status or handle")
    long status;
  }

  @Name("dev.domus.Fault")
  @Label("Exception")
  @Category({"Domus", "Guests"})
  @StackTrace(false)
  private static final class Fault extends OfVcpu {
    @Label("Vector")
    int vector;

    @Label("Address")
    @MemoryAddress
    long address;

    @Label("Error code")
    long errorCode;
  }
}
