package dev.domus.kernel.hypercall;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.EventChannelLayout;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SysctlLayout;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.testing.TinyMachine;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What a hypercall says of itself is true: every command is given to the machine, and what is not
 * done is answered as a command that does not exist.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class SubopsTest {
  private static final HypercallTable TABLE = new HypercallTable();
  private static final int COMMANDS = 128;

  /** A command that no hypercall has, in whatever way it is given. */
  private static final int NO_COMMAND = 0x7F3F;

  private static final long ARGUMENT = 6 << 12;

  private TinyMachine machine;

  @BeforeAll
  void start() {
    machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  }

  @AfterAll
  void stop() {
    machine.close();
  }

  static List<Integer> withCommands() {
    List<Integer> numbers = new ArrayList<>();
    for (int number = 0; number < HypercallNumber.LIMIT; number++) {
      Optional<Subops> subops = TABLE.subops(number);
      if (subops.isPresent() && subops.get().selector() != Subops.Selector.NONE) {
        numbers.add(number);
      }
    }
    return numbers;
  }

  @ParameterizedTest
  @MethodSource("withCommands")
  void whatIsNotDoneIsAnsweredAsWhatDoesNotExist(int number) {
    Subops subops = TABLE.subops(number).orElseThrow();
    long unknown = answer(number, subops, NO_COMMAND & subops.mask());
    List<Executable> checks = new ArrayList<>();
    int commands = subops.mask() == -1 ? COMMANDS : Math.min(COMMANDS, subops.mask() + 1);
    for (int command = 0; command < commands; command++) {
      checks.add(check(number, subops, command, unknown));
    }
    assertAll(checks);
  }

  private Executable check(int number, Subops subops, int command, long unknown) {
    Optional<Subops.Subop> listed =
        subops.list().stream().filter(s -> s.command() == command).findFirst();
    Subops.State state = listed.map(Subops.Subop::state).orElse(Subops.State.ABSENT);
    long answer = answer(number, subops, command);
    String what = "%s/%d, listed as %s".formatted(HypercallNumber.name(number), command, state);
    if (number == HypercallNumber.EVENT_CHANNEL_OP && command == EventChannelLayout.SET_PRIORITY) {
      return () ->
          assertEquals(-Errno.ENOSYS, answer, "the ABI's answer while there are two levels");
    }
    return switch (state) {
      case DONE -> () -> assertNotEquals(unknown, answer, what);
      case ABSENT -> () -> assertEquals(unknown, answer, what);
      case REFUSED -> () -> assertEquals(true, answer <= 0, what + ": answer=" + answer);
    };
  }

  /** Makes a call in a domain of its own: some commands are the domain's end. */
  private long answer(int number, Subops subops, int command) {
    Vcpu v = machine.buildPrivileged(1).vcpu(0);
    int other = machine.build(1).domid();
    try {
      return call(v, number, subops.selector(), command, other);
    } finally {
      machine.hypervisor().destroyDomains();
    }
  }

  private static long call(Vcpu v, int number, Subops.Selector selector, int command, int other) {
    if (selector == Subops.Selector.ARGUMENT) {
      return switch (number) {
        case HypercallNumber.VCPU_OP -> TABLE.call(v, number, command, 0, ARGUMENT, 0, 0);
        case HypercallNumber.VM_ASSIST, HypercallNumber.SET_SEGMENT_BASE ->
            TABLE.call(v, number, command, 0, 0, 0, 0);
        default -> TABLE.call(v, number, command, ARGUMENT, 1, 0, 0);
      };
    }
    boolean versioned = number == HypercallNumber.DOMCTL || number == HypercallNumber.SYSCTL;
    v.guest().putInt(ARGUMENT, command);
    v.guest().putInt(ARGUMENT + 4, versioned ? DomctlLayout.INTERFACE_VERSION : 0);
    v.guest().putInt(ARGUMENT + SysctlLayout.UNION, SysctlLayout.POOL_INFO); // a sysctl in a sysctl
    if (number == HypercallNumber.DOMCTL) {
      v.guest().putShort(ARGUMENT + DomctlLayout.DOMAIN, other);
    }
    long self = 0x7FF0;
    return TABLE.call(v, number, ARGUMENT, 1, 0, self, 0);
  }
}
