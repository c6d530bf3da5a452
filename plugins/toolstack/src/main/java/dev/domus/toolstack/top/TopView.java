package dev.domus.toolstack.top;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.List;

/**
 * Shows the machine's figures again and again: in place on a terminal that nobody else writes to,
 * else line after line. A thread of its own until it is closed; the last interval is shown then.
 */
public final class TopView implements AutoCloseable {
  private final TopSource source;
  private final PrintWriter out;
  private final boolean inPlace;
  private final long intervalMillis;
  private final Thread thread;
  private TopSample last;
  private int shown;
  private volatile boolean closed;

  /**
   * Starts.
   *
   * @param inPlace whether each table is drawn over the one before, by ANSI sequences
   */
  public TopView(TopSource source, PrintWriter out, boolean inPlace, Duration interval) {
    this.source = source;
    this.out = out;
    this.inPlace = inPlace;
    intervalMillis = interval.toMillis();
    last = source.sample();
    thread = Thread.ofPlatform().daemon().name("top").start(this::showUntilClosed);
  }

  private void showUntilClosed() {
    try {
      while (!closed) {
        Thread.sleep(intervalMillis);
        show();
      }
    } catch (InterruptedException e) {
      // closed: what has happened since is shown by who closes
    }
  }

  private synchronized void show() {
    TopSample now = source.sample();
    List<String> lines = TopTable.lines(last, now);
    last = now;
    StringBuilder text = new StringBuilder();
    if (inPlace && shown > 0) {
      text.append("\033[").append(shown).append("A\033[J");
    }
    lines.forEach(line -> text.append(line).append(System.lineSeparator()));
    shown = lines.size();
    out.print(text);
    out.flush();
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    thread.interrupt();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    show();
  }
}
