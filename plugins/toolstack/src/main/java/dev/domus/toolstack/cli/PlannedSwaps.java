package dev.domus.toolstack.cli;

import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.SwapResult;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.service.HypercallException;
import dev.domus.toolstack.BadInputException;
import java.io.PrintWriter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/**
 * The swaps of schedulers that {@code run} is told to make while the guest runs. What one of them
 * wants is judged before the machine starts; one that the kernel refuses then is told, and the
 * guest goes on under the scheduler that it has.
 */
final class PlannedSwaps {
  private static final String OPTION = "--swap";
  private static final String FORM = "write it like 1.5s=rr, or 500ms=rr:slice=2000";

  @Option(
      names = OPTION,
      paramLabel = "AFTER=NAME[:PARAMETER=VALUE...]",
      description =
          "Give the pool another scheduler while the guest runs, so long after its start: 2s=rr, 500ms=rr:slice=2000; may be given several times.")
  private List<String> texts = List.of();

  private record Plan(long afterNanos, String scheduler, Map<String, String> parameters) {}

  private final Deque<Plan> plans = new ArrayDeque<>();

  /** Judges what was given. */
  void check(List<SchedulerFactory> schedulers) throws BadInputException {
    List<Plan> all = new ArrayList<>();
    for (String text : texts) {
      all.add(plan(text, schedulers));
    }
    all.sort(Comparator.comparingLong(Plan::afterNanos));
    plans.addAll(all);
  }

  /** Whether there are none. */
  boolean isEmpty() {
    return texts.isEmpty();
  }

  private static Plan plan(String text, List<SchedulerFactory> schedulers)
      throws BadInputException {
    int sign = text.indexOf('=');
    if (sign < 0) {
      throw bad(text, FORM);
    }
    long after = nanos(text, text.substring(0, sign));
    String[] parts = text.substring(sign + 1).split(":", -1);
    SchedulerFactory factory =
        schedulers.stream()
            .filter(candidate -> candidate.name().equals(parts[0]))
            .findFirst()
            .orElseThrow(() -> bad(text, unknown(parts[0], schedulers)));
    Map<String, String> parameters = new LinkedHashMap<>();
    for (int i = 1; i < parts.length; i++) {
      String[] setting = parts[i].split("=", 2);
      if (setting.length != 2) {
        throw bad(text, FORM);
      }
      parameters.put(setting[0], setting[1]);
    }
    try {
      SchedParameters.check(factory, parameters, schedulers);
    } catch (IllegalArgumentException refused) {
      throw bad(text, refused.getMessage());
    }
    return new Plan(after, factory.name(), parameters);
  }

  private static String unknown(String name, List<SchedulerFactory> schedulers) {
    return "there is no scheduler %s; there is %s"
        .formatted(
            BadInputException.quote(name),
            schedulers.stream().map(SchedulerFactory::name).collect(Collectors.joining(", ")));
  }

  private static long nanos(String text, String time) throws BadInputException {
    double unit = time.endsWith("ms") ? 1e6 : time.endsWith("s") ? 1e9 : 0;
    if (unit != 0) {
      try {
        double count = Double.parseDouble(time.substring(0, time.length() - (unit < 1e9 ? 2 : 1)));
        if (count >= 0 && count * unit <= Long.MAX_VALUE) {
          return (long) (count * unit);
        }
      } catch (NumberFormatException noNumber) {
        // refused below, as a negative one is
      }
    }
    throw bad(text, BadInputException.quote(time) + " is no time; " + FORM);
  }

  private static BadInputException bad(String text, String problem) {
    return new BadInputException(OPTION + ": " + BadInputException.quote(text) + ": " + problem);
  }

  /** Makes those that are due. */
  void make(Control control, String pool, long elapsedNanos, PrintWriter err) {
    for (Plan plan = plans.peek();
        plan != null && plan.afterNanos <= elapsedNanos;
        plan = plans.peek()) {
      plans.remove();
      try {
        SwapResult swap = control.swapScheduler(pool, plan.scheduler, plan.parameters);
        err.printf(
            Locale.ROOT,
            "domus: pool %s: scheduler %s swapped for %s; %d vCPUs handed over, pCPUs held for %.3f ms%n",
            pool,
            swap.from(),
            swap.to(),
            swap.vcpus(),
            swap.pauseNanos() / 1e6);
      } catch (HypercallException refused) {
        err.println(
            "domus: pool %s: scheduler %s does not take over: %s"
                .formatted(pool, plan.scheduler, refused.getMessage()));
      }
    }
  }
}
