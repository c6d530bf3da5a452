package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.control.CallCount;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * How often a domain made each hypercall, by number and, where the first argument is a command, by
 * command; and how many of these were answered −ENOSYS. Counting is a plain increment: vCPUs of one
 * domain may lose a count to one another, which statistics can bear and the hypercall path need not
 * pay for.
 */
public final class HypercallCounters {
  private static final int COMMANDS = 64;

  /**
   * By number: calls by command, and behind them those answered −ENOSYS. A row is made with the
   * first call.
   */
  private final long[][] rows = new long[HypercallNumber.LIMIT][];

  private final HypercallTable table;
  private long outOfRange;

  /** Counts nothing yet; the table says which first arguments are commands. */
  public HypercallCounters(HypercallTable table) {
    this.table = table;
  }

  /**
   * Counts a call.
   *
   * @param firstArgument the first argument, which may say the command
   */
  public void count(int number, long firstArgument, long result) {
    if (number < 0 || number >= HypercallNumber.LIMIT) {
      outOfRange++;
      return;
    }
    int command = (int) firstArgument & table.commandMask(number) & (COMMANDS - 1);
    long[] row = rows[number];
    if (row == null) {
      row = new long[2 * COMMANDS];
      rows[number] = row;
    }
    row[command]++;
    if (result == -Errno.ENOSYS) {
      row[COMMANDS + command]++;
    }
  }

  /** What has been counted, most frequent first. */
  public List<CallCount> list() {
    List<CallCount> counts = new ArrayList<>();
    for (int number = 0; number < HypercallNumber.LIMIT; number++) {
      long[] row = rows[number];
      if (row == null) {
        continue;
      }
      boolean hasCommand = table.commandMask(number) != 0;
      for (int command = 0; command < COMMANDS; command++) {
        if (row[command] != 0) {
          String name = HypercallNumber.name(number) + (hasCommand ? "/" + command : "");
          counts.add(new CallCount(name, row[command], row[COMMANDS + command]));
        }
      }
    }
    if (outOfRange != 0) {
      counts.add(new CallCount("number-out-of-range", outOfRange, outOfRange));
    }
    counts.sort(Comparator.comparingLong(CallCount::calls).reversed());
    return counts;
  }
}
