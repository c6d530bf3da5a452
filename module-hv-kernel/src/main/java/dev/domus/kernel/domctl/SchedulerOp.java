package dev.domus.kernel.domctl;

import static dev.domus.kernel.abi.DomctlLayout.*;
import static dev.domus.kernel.domctl.DomctlOp.refuse;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.SysctlLayout;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.service.HypercallException;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;

/**
 * scheduler_op, both that of domctl, which is about a domain's vCPUs, and that of sysctl, which is
 * about the scheduler of a pool. The ABI has a structure for each of Xen's schedulers. Here each
 * field is a parameter that the scheduler of that name declares under the name that xl has for it;
 * one that it does not declare is answered as 0, and can only be set to that.
 *
 * <p>A pool's parameters are changed as they are from the command line: the scheduler takes over
 * from itself, which waits for pCPUs and is therefore an {@linkplain Errands errand}.
 */
final class SchedulerOp {
  private static final int NO_CAP_CHANGE = 0xFFFF;
  private static final int RATE_LIMIT_MIN = 100, RATE_LIMIT_MAX = 500_000;
  private static final int SLICE_MAX = 1000, MIGRATION_MAX = 100_000;
  private static final int MICROS_A_MILLI = 1000;
  private static final String PERIOD = "period", BUDGET = "budget", EXTRATIME = "extratime";

  private SchedulerOp() {}

  // ---- domctl: a domain's vCPUs

  static void ofDomain(DomainControl control, int domid, Argument a) {
    Domain domain = control.target(SCHEDULER_OP, domid);
    SchedulerFactory scheduler = domain.vcpu(0).unit().pool().scheduler();
    refuse(a.getInt(SCHED_ID) != schedulerId(scheduler.name()));
    boolean reservations = scheduler.name().equals("rtds");
    switch (a.getInt(SCHED_CMD)) {
      case SCHED_PUT -> {
        if (reservations) {
          for (int vcpu = 0; vcpu < domain.vcpus(); vcpu++) {
            control.setVcpuParameters(domid, vcpu, reservation(a));
          }
        } else {
          putShare(control, domain, a);
        }
      }
      case SCHED_GET -> {
        if (reservations) {
          answer(a, SchedParameters.ofUnit(scheduler, SchedParameters.none()));
        } else {
          a.putShort(SCHED_WEIGHT, domain.weight());
          a.putShort(SCHED_CAP, domain.cap());
        }
      }
      case SCHED_PUT_VCPU, SCHED_GET_VCPU -> {
        refuse(!reservations); // the others treat a domain's vCPUs alike
        vcpus(control, domain, scheduler, a);
      }
      default -> refuse(true);
    }
    a.writeBack();
  }

  /** A weight of zero and a cap of all ones leave them as they are. */
  private static void putShare(DomainControl control, Domain domain, Argument a) {
    int weight = a.getShort(SCHED_WEIGHT);
    int cap = a.getShort(SCHED_CAP);
    control.setShare(
        domain.domid(),
        weight == 0 ? domain.weight() : weight,
        cap == NO_CAP_CHANGE ? domain.cap() : cap);
  }

  /** Goes through an array of parameters of single vCPUs until one is wrong, and counts. */
  private static void vcpus(
      DomainControl control, Domain domain, SchedulerFactory scheduler, Argument a) {
    boolean put = a.getInt(SCHED_CMD) == SCHED_PUT_VCPU;
    long array = a.getLong(SCHED_VCPUS);
    long count = a.getInt(SCHED_VCPU_COUNT) & 0xFFFF_FFFFL;
    refuse(count > domain.vcpus());
    GuestAccess guest = a.caller().guest();
    guest.requireWritable(array, count * SCHED_ELEMENT);
    Argument element = new Argument(a);
    for (int i = 0; i < count; i++) {
      long at = array + (long) i * SCHED_ELEMENT;
      int vcpu = guest.getInt(at + SCHED_ELEMENT_VCPU);
      refuse(vcpu < 0 || vcpu >= domain.vcpus());
      if (put) {
        for (int field = 0; field < SCHED_ELEMENT_VCPU; field += Integer.BYTES) {
          element.putInt(SCHED_PARAMETERS + field, guest.getInt(at + field));
        }
        control.setVcpuParameters(domain.domid(), vcpu, reservation(element));
      } else {
        answer(
            element,
            SchedParameters.ofUnit(
                scheduler, domain.vcpu(vcpu).unit().params().given(scheduler.name())));
        for (int field = 0; field < SCHED_ELEMENT_VCPU; field += Integer.BYTES) {
          guest.putInt(at + field, element.getInt(SCHED_PARAMETERS + field));
        }
      }
    }
  }

  private static Map<String, String> reservation(Argument a) {
    boolean extra = (a.getInt(SCHED_PARAMETERS + RTDS_FLAGS) & RTDS_EXTRA) != 0;
    return Map.of(
        PERIOD, Integer.toUnsignedString(a.getInt(SCHED_PARAMETERS + RTDS_PERIOD)),
        BUDGET, Integer.toUnsignedString(a.getInt(SCHED_PARAMETERS + RTDS_BUDGET)),
        EXTRATIME, extra ? "on" : "off");
  }

  private static void answer(Argument a, SchedParameters values) {
    a.putInt(SCHED_PARAMETERS + RTDS_PERIOD, (int) values.get(PERIOD));
    a.putInt(SCHED_PARAMETERS + RTDS_BUDGET, (int) values.get(BUDGET));
    a.putInt(SCHED_PARAMETERS + RTDS_FLAGS, values.isOn(EXTRATIME) ? RTDS_EXTRA : 0);
  }

  // ---- sysctl: a pool's scheduler

  /** A field of a scheduler's structure, and the parameter that it is. */
  private record Field(int offset, String parameter) {}

  private static List<Field> fields(String scheduler) {
    return switch (scheduler) {
      case "credit" ->
          List.of(
              new Field(SysctlLayout.CREDIT_SLICE_MILLIS, "tslice"),
              new Field(SysctlLayout.CREDIT_RATE_LIMIT_MICROS, "ratelimit"),
              new Field(SysctlLayout.CREDIT_MIGRATION_MICROS, "migration-delay"));
      case "credit2" -> List.of(new Field(SysctlLayout.CREDIT2_RATE_LIMIT_MICROS, "ratelimit"));
      case "arinc653" ->
          throw new HypercallException(
              Errno.EOPNOTSUPP, "a schedule names vCPUs by number; set it from the command line");
      default -> List.of();
    };
  }

  /** Answers 0 or {@link Hypercall#CONTINUE}; the caller writes the argument back. */
  static long ofPool(DomainControl control, Argument a) {
    int command = a.getInt(SysctlLayout.SCHED_CMD);
    refuse(command != SysctlLayout.SCHED_PUT_INFO && command != SysctlLayout.SCHED_GET_INFO);
    int id = a.getInt(SysctlLayout.SCHED_POOL);
    Cpupools.Cpupool pool =
        control.cpupools().all().stream()
            .filter(known -> known.id() == id)
            .findFirst()
            .orElseThrow(() -> new HypercallException(Errno.ESRCH, "no such cpupool: id=" + id));
    String scheduler = pool.scheduler().name();
    refuse(a.getInt(SysctlLayout.SCHED_ID_OF_POOL) != schedulerId(scheduler));
    Map<String, String> present = pool.parameters();
    List<Field> fields = fields(scheduler);
    if (command == SysctlLayout.SCHED_GET_INFO) {
      for (Field field : fields) {
        a.putInt(
            field.offset, Integer.parseUnsignedInt(present.getOrDefault(field.parameter, "0")));
      }
      return 0;
    }
    refuse(scheduler.equals("credit") && !creditAllows(a));
    Map<String, String> wanted = new TreeMap<>(present);
    for (Field field : fields) {
      int value = a.getInt(field.offset);
      refuse(field.parameter.equals("ratelimit") && !rateLimitAllowed(value));
      if (present.containsKey(field.parameter)) {
        wanted.put(field.parameter, Integer.toUnsignedString(value));
      } else {
        refuse(value != 0);
      }
    }
    if (wanted.equals(present)) {
      return 0;
    }
    OptionalInt result =
        control
            .errands()
            .ask(
                a.caller(),
                new Change(id, wanted),
                () -> {
                  control.swapScheduler(pool.name(), scheduler, wanted);
                  return 0;
                });
    return result.isPresent() ? result.getAsInt() : Hypercall.CONTINUE;
  }

  /** A change of a pool's parameters that is under way. */
  private record Change(int pool, Map<String, String> wanted) {}

  private static boolean creditAllows(Argument a) {
    int slice = a.getInt(SysctlLayout.CREDIT_SLICE_MILLIS);
    int rateLimit = a.getInt(SysctlLayout.CREDIT_RATE_LIMIT_MICROS);
    int delay = a.getInt(SysctlLayout.CREDIT_MIGRATION_MICROS);
    return slice >= 1
        && slice <= SLICE_MAX
        && rateLimitAllowed(rateLimit)
        && rateLimit <= slice * MICROS_A_MILLI
        && delay >= 0
        && delay <= MIGRATION_MAX;
  }

  private static boolean rateLimitAllowed(int micros) {
    return micros == 0 || micros >= RATE_LIMIT_MIN && micros <= RATE_LIMIT_MAX;
  }
}
