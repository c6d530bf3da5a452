package dev.domus.sched.rtds;

import java.util.ArrayList;
import java.util.List;

/**
 * Whether all reservations together can be kept. Asked when units come, go and change.
 *
 * <p>With utilizations u = budget / period, on m pCPUs under global EDF:
 *
 * <ul>
 *   <li><em>hard</em>: if the sum is at most m - (m - 1) max u, no deadline is missed (J. Goossens,
 *       S. Funk, S. Baruah, <em>Priority-Driven Scheduling of Periodic Task Systems on
 *       Multiprocessors</em>, 2003);
 *   <li><em>soft</em>: if the sum is at most m, deadlines are missed by a bounded time only (U.
 *       Devi, J. Anderson, <em>Tardiness Bounds under Global EDF Scheduling on a
 *       Multiprocessor</em>, 2005).
 * </ul>
 *
 * <p>On one pCPU both say the same, which is Liu's and Layland's bound of 1. What hard affinities
 * forbid is not considered. First come, first admitted; who is refused asks again, before those who
 * came later, when somebody goes.
 */
final class Admission {
  private enum Rule {
    OFF,
    SOFT,
    HARD
  }

  /** Utilizations are in millionths, so a sum of many is exact enough. */
  private static final long ONE = 1_000_000;

  private final Rule rule;
  private final int pcpus;
  private final List<Server> admitted = new ArrayList<>();
  private final List<Server> refused = new ArrayList<>();

  private Admission(Rule rule, int pcpus) {
    this.rule = rule;
    this.pcpus = pcpus;
  }

  static Admission off() {
    return new Admission(Rule.OFF, 1);
  }

  static Admission soft(int pcpus) {
    return new Admission(Rule.SOFT, pcpus);
  }

  static Admission hard(int pcpus) {
    return new Admission(Rule.HARD, pcpus);
  }

  /** Decides on one that came. */
  void add(Server server) {
    server.admitted = fits(server);
    (server.admitted ? admitted : refused).add(server);
  }

  /** Forgets one. */
  void remove(Server server) {
    (server.admitted ? admitted : refused).remove(server);
  }

  /** Names, one by one, those who were refused and can be admitted now. */
  Server admitNext() {
    for (int i = 0; i < refused.size(); i++) {
      Server server = refused.get(i);
      if (fits(server)) {
        refused.remove(i);
        server.admitted = true;
        admitted.add(server);
        return server;
      }
    }
    return null;
  }

  private boolean fits(Server server) {
    if (rule == Rule.OFF) {
      return true;
    }
    long sum = utilization(server);
    long most = sum;
    for (Server other : admitted) {
      long u = utilization(other);
      sum += u;
      most = Math.max(most, u);
    }
    return sum <= (rule == Rule.SOFT ? pcpus * ONE : pcpus * ONE - (pcpus - 1) * most);
  }

  private static long utilization(Server server) {
    return (server.budgetNanos * ONE + server.periodNanos - 1) / server.periodNanos;
  }
}
