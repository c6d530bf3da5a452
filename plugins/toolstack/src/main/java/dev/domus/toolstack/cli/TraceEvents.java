package dev.domus.toolstack.cli;

import dev.domus.kernel.trace.TraceEvent;
import dev.domus.toolstack.BadInputException;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Collectors;

/** Kinds of events as users write them: names of groups and of single kinds, with commas. */
final class TraceEvents {
  /** What the help says. */
  static final String HELP =
      "sched, swap, hypercall, event, grant, fault, or single kinds such as wake,switch-in";

  private TraceEvents() {}

  static Set<TraceEvent> parse(String option, String text) throws BadInputException {
    EnumSet<TraceEvent> events = EnumSet.noneOf(TraceEvent.class);
    for (String word : text.split(",")) {
      String wanted = word.strip();
      boolean found = false;
      for (TraceEvent event : TraceEvent.values()) {
        if (event.label().equals(wanted) || event.group().label().equals(wanted)) {
          events.add(event);
          found = true;
        }
      }
      if (!found) {
        throw new BadInputException(
            option
                + ": there is no event "
                + BadInputException.quote(wanted)
                + "; there are the groups "
                + labels(TraceEvent.Group.values())
                + " and the kinds "
                + Arrays.stream(TraceEvent.values())
                    .map(TraceEvent::label)
                    .collect(Collectors.joining(", ")));
      }
    }
    return events;
  }

  private static String labels(TraceEvent.Group[] groups) {
    return Arrays.stream(groups).map(TraceEvent.Group::label).collect(Collectors.joining(", "));
  }
}
