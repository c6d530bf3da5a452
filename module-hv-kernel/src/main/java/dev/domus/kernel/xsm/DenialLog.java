package dev.domus.kernel.xsm;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.access.Denial;
import dev.domus.kernel.access.Operation;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Who was refused what, and how often; and the log of it.
 *
 * <p>Refusals are what a guest can cause as often as it likes, so everything here is bounded. There
 * is a row for each caller, operation and target, at most {@value #ROWS} a caller; what goes beyond
 * is counted in one row an operation. Rows of {@value #CALLERS} callers are kept, and the one that
 * was last refused something longest ago makes room: a guest cannot make new callers, so it cannot
 * push out others' rows. A row is logged when its count reaches a power of two. So however often a
 * guest asks, it writes some lines for each row and no more, and hides nobody else's.
 *
 * <p>Thread-safe.
 */
final class DenialLog {
  private static final int ROWS = 64, CALLERS = 256;
  private static final int ROWS_WITH_TARGET = ROWS - Operation.values().length;

  private final System.Logger out;
  private final AtomicLongArray byOperation = new AtomicLongArray(Operation.values().length);

  /** By caller, the last refused last; guarded by itself. */
  private final Map<Integer, Map<What, Row>> byCaller = new LinkedHashMap<>(16, 0.75f, true);

  private record What(Operation operation, int target) {}

  private static final class Row {
    long count;
    long detail;
  }

  DenialLog(System.Logger out) {
    this.out = out;
  }

  /** Counts a refusal, and logs it now and then. */
  void add(Operation operation, int caller, int target, long detail) {
    byOperation.incrementAndGet(operation.ordinal());
    int about;
    long count;
    synchronized (byCaller) {
      Map<What, Row> rows = rowsOf(caller);
      What what = new What(operation, target);
      if (rows.size() >= ROWS_WITH_TARGET && !rows.containsKey(what)) {
        what = new What(operation, Domid.INVALID);
      }
      Row row = rows.computeIfAbsent(what, fresh -> new Row());
      row.detail = detail;
      count = ++row.count;
      about = what.target;
    }
    if (Long.bitCount(count) == 1) {
      Denial denial = new Denial(operation, caller, about, count, detail);
      out.log(Level.INFO, "{0}, refusal={1}", denial, count);
    }
  }

  private Map<What, Row> rowsOf(int caller) {
    Map<What, Row> rows = byCaller.get(caller);
    if (rows == null) {
      if (byCaller.size() >= CALLERS) {
        byCaller.remove(byCaller.keySet().iterator().next());
      }
      rows = new LinkedHashMap<>(16, 0.75f, true);
      byCaller.put(caller, rows);
    }
    return rows;
  }

  /** How often an operation was refused. */
  long count(Operation operation) {
    return byOperation.get(operation.ordinal());
  }

  /** All rows; of each caller, and of callers, the last refused last. */
  List<Denial> denials() {
    List<Denial> denials = new ArrayList<>();
    synchronized (byCaller) {
      byCaller.forEach((caller, rows) ->
          rows.forEach((what, row) ->
              denials.add(new Denial(what.operation, caller, what.target, row.count, row.detail))));
    }
    return denials;
  }
}
