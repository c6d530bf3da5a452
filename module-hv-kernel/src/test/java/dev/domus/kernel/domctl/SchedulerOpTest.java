package dev.domus.kernel.domctl;

import static dev.domus.kernel.domctl.PrivilegedGuest.ARG;
import static dev.domus.kernel.domctl.PrivilegedGuest.BUFFER;
import static dev.domus.kernel.domctl.PrivilegedGuest.S;
import static dev.domus.kernel.domctl.PrivilegedGuest.U;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.SysctlLayout;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * scheduler_op of domctl and sysctl, for schedulers that have the names and parameters of Xen's and
 * decide as the built-in one does.
 */
@Timeout(60)
final class SchedulerOpTest {
  private static final int CREDIT = 5, CREDIT2 = 6, ARINC653 = 7, RTDS = 8, NULL = 9;

  /** A scheduler of any name. */
  private record Named(
      String name, List<SchedParameter> parameters, List<SchedParameter> unitParameters)
      implements SchedulerFactory {
    @Override
    public String description() {
      return "for tests";
    }

    @Override
    public Scheduler create(SchedPool pool, SchedParameters values) {
      return TestSchedulers.roundRobin().create(pool, SchedParameters.none());
    }
  }

  private static SchedParameter number(String name, String unit, int least, int most, int usual) {
    return new SchedParameter.Numeric(name, unit, least, most, usual, "for tests");
  }

  private static PrivilegedGuest with(String name, SchedParameter... parameters) {
    return new PrivilegedGuest(new Named(name, List.of(parameters), List.of()));
  }

  private static PrivilegedGuest withReservations() {
    return new PrivilegedGuest(
        new Named(
            "rtds",
            List.of(),
            List.of(
                number("period", "us", 100, 1_000_000, 10_000),
                number("budget", "us", 10, 1_000_000, 4_000),
                new SchedParameter.Flag("extratime", true, "for tests"))));
  }

  private static long ofPool(PrivilegedGuest guest, int scheduler, int command, int... values) {
    guest.clear(ARG);
    guest.putInt(S + SysctlLayout.SCHED_ID_OF_POOL, scheduler);
    guest.putInt(S + SysctlLayout.SCHED_CMD, command);
    for (int i = 0; i < values.length; i++) {
      guest.putInt(S + SysctlLayout.CREDIT_SLICE_MILLIS + 4 * i, values[i]);
    }
    return guest.sysctl(SysctlLayout.SCHEDULER_OP);
  }

  @Test
  void creditsSliceIsReadAndChangedWhileGuestsRun() {
    try (PrivilegedGuest guest = with("credit", number("tslice", "ms", 1, 1000, 30))) {
      assertEquals(0, ofPool(guest, CREDIT, SysctlLayout.SCHED_GET_INFO, 7, 7, 7));
      assertEquals(30, guest.getInt(S + SysctlLayout.CREDIT_SLICE_MILLIS));
      assertEquals(0, guest.getInt(S + SysctlLayout.CREDIT_RATE_LIMIT_MICROS), "it has none");
      assertEquals(0, guest.getInt(S + SysctlLayout.CREDIT_MIGRATION_MICROS));
      assertEquals(0, ofPool(guest, CREDIT, SysctlLayout.SCHED_PUT_INFO, 5));
      assertEquals(0, ofPool(guest, CREDIT, SysctlLayout.SCHED_PUT_INFO, 5), "as it is");
      assertEquals(0, ofPool(guest, CREDIT, SysctlLayout.SCHED_GET_INFO));
      assertEquals(5, guest.getInt(S + SysctlLayout.CREDIT_SLICE_MILLIS));
      assertEquals(
          "5",
          guest
              .machine
              .hypervisor()
              .dispatcher()
              .pool("pool0")
              .orElseThrow()
              .parameters()
              .text("tslice"));
      for (int[] wrong :
          new int[][] {{0}, {1001}, {5, 99}, {5, 500_001}, {5, 5001}, {5, 1000}, {5, 0, 100_001}}) {
        assertEquals(-Errno.EINVAL, ofPool(guest, CREDIT, SysctlLayout.SCHED_PUT_INFO, wrong));
      }
    }
  }

  @Test
  void credit2HasARateLimit() {
    try (PrivilegedGuest guest = with("credit2", number("ratelimit", "us", 0, 500_000, 1000))) {
      assertEquals(0, ofPool(guest, CREDIT2, SysctlLayout.SCHED_GET_INFO));
      assertEquals(1000, guest.getInt(S + SysctlLayout.CREDIT2_RATE_LIMIT_MICROS));
      assertEquals(0, ofPool(guest, CREDIT2, SysctlLayout.SCHED_PUT_INFO, 100));
      assertEquals(-Errno.EINVAL, ofPool(guest, CREDIT2, SysctlLayout.SCHED_PUT_INFO, 99));
      assertEquals(0, ofPool(guest, CREDIT2, SysctlLayout.SCHED_GET_INFO));
      assertEquals(100, guest.getInt(S + SysctlLayout.CREDIT2_RATE_LIMIT_MICROS));
    }
  }

  @Test
  void whatIsWrongIsSaidInTheOrderOfTheAbi() {
    try (PrivilegedGuest guest = with("credit", number("tslice", "ms", 1, 1000, 30))) {
      assertEquals(-Errno.EINVAL, ofPool(guest, CREDIT2, SysctlLayout.SCHED_GET_INFO));
      assertEquals(-Errno.EINVAL, ofPool(guest, CREDIT, 2));
      guest.putInt(S + SysctlLayout.SCHED_POOL, 7);
      assertEquals(
          -Errno.EINVAL, guest.sysctl(SysctlLayout.SCHEDULER_OP), "the command comes first");
      guest.putInt(S + SysctlLayout.SCHED_CMD, SysctlLayout.SCHED_GET_INFO);
      assertEquals(-Errno.ESRCH, guest.sysctl(SysctlLayout.SCHEDULER_OP));
    }
    try (PrivilegedGuest guest = with("arinc653")) {
      assertEquals(-Errno.EOPNOTSUPP, ofPool(guest, ARINC653, SysctlLayout.SCHED_GET_INFO));
    }
    try (PrivilegedGuest guest = with("null")) {
      assertEquals(0, ofPool(guest, NULL, SysctlLayout.SCHED_PUT_INFO, 3), "it has nothing to set");
    }
  }

  private static long ofDomain(PrivilegedGuest guest, Domain domain, int command, long... words) {
    guest.clear(ARG);
    guest.putInt(U + DomctlLayout.SCHED_ID, RTDS);
    guest.putInt(U + DomctlLayout.SCHED_CMD, command);
    for (int i = 0; i < words.length; i++) {
      guest.putLong(U + DomctlLayout.SCHED_PARAMETERS + 8 * i, words[i]);
    }
    return guest.domctl(DomctlLayout.SCHEDULER_OP, domain.domid());
  }

  private static void element(PrivilegedGuest guest, int index, int... fields) {
    for (int i = 0; i < fields.length; i++) {
      guest.putInt(BUFFER + 16L * index + 4L * i, fields[i]);
    }
  }

  @Test
  void reservationsAreOfSingleVcpusOrOfAll() {
    try (PrivilegedGuest guest = withReservations()) {
      Domain domain = guest.machine.build(2);
      long period = 20_000, budget = 5_000;
      assertEquals(0, ofDomain(guest, domain, DomctlLayout.SCHED_PUT, period | budget << 32, 0L));
      assertEquals(
          -Errno.EINVAL, ofDomain(guest, domain, DomctlLayout.SCHED_PUT, 1 | budget << 32, 0L));
      assertEquals(0, ofDomain(guest, domain, DomctlLayout.SCHED_GET));
      assertEquals(
          10_000 | 4_000L << 32, guest.getLong(U + DomctlLayout.SCHED_PARAMETERS), "usual");
      assertEquals(1, guest.getInt(U + DomctlLayout.SCHED_PARAMETERS + DomctlLayout.RTDS_FLAGS));

      element(guest, 0, 30_000, 6_000, 1, 1);
      assertEquals(0, ofDomain(guest, domain, DomctlLayout.SCHED_PUT_VCPU, BUFFER, 1));
      element(guest, 0, 0, 0, 0, 1);
      element(guest, 1, 0, 0, 7, 0);
      assertEquals(0, ofDomain(guest, domain, DomctlLayout.SCHED_GET_VCPU, BUFFER, 2));
      assertEquals(30_000 | 6_000L << 32, guest.getLong(BUFFER));
      assertEquals(1 | 1L << 32, guest.getLong(BUFFER + 8));
      assertEquals(period | budget << 32, guest.getLong(BUFFER + 16));
      assertEquals(0, guest.getLong(BUFFER + 24));

      element(guest, 1, 1, 1, 0, 2);
      assertEquals(-Errno.EINVAL, ofDomain(guest, domain, DomctlLayout.SCHED_GET_VCPU, BUFFER, 2));
      assertEquals(-Errno.EFAULT, ofDomain(guest, domain, DomctlLayout.SCHED_GET_VCPU, 1 << 30, 1));
      assertEquals(-Errno.EINVAL, ofDomain(guest, domain, 4));
    }
  }

  @Test
  void vcpusThatAreTreatedAlikeHaveNoParametersOfTheirOwn() {
    try (PrivilegedGuest guest = with("credit", number("tslice", "ms", 1, 1000, 30))) {
      guest.clear(ARG);
      guest.putInt(U + DomctlLayout.SCHED_ID, CREDIT);
      guest.putInt(U + DomctlLayout.SCHED_CMD, DomctlLayout.SCHED_GET_VCPU);
      assertEquals(-Errno.EINVAL, guest.domctl(DomctlLayout.SCHEDULER_OP, guest.domain.domid()));
    }
  }
}
