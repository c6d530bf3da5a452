package dev.domus.toolstack.terminal;

import dev.domus.kernel.plugin.VirtualTime;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.terminal.InputScript.After;
import dev.domus.toolstack.terminal.InputScript.At;
import dev.domus.toolstack.terminal.InputScript.Step;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * A guest's console in a deterministic run: output to standard output, input from a script.
 *
 * <p>Output comes from the console service while the guest stands still in the middle of a run; if
 * it holds what the script waits for, the machine is stopped at this instant. {@link #type} is
 * called while it stands still. So no field is used by two threads at once.
 */
public final class ScriptedConsole implements AutoCloseable {
  /** When to try again if the guest's input ring is full. */
  private static final long TRY_AGAIN_NANOS = 1_000_000;

  private final VirtualTime time;
  private final OutputStream out = new FileOutputStream(FileDescriptor.out);
  private final Deque<Step> steps;
  private final ConsoleService.Attachment console;

  /** Printed since the last text that was waited for. */
  private final StringBuilder unmatched = new StringBuilder();

  private boolean matched;

  /** Typed by the script, and not taken by the guest's ring yet. */
  private byte[] waiting = {};

  private boolean outputLost;

  /** Attaches to a guest's console. */
  public ScriptedConsole(Guest guest, VirtualTime time, InputScript script) {
    this.time = time;
    steps = new ArrayDeque<>(script.steps());
    console = guest.attach(this::print);
  }

  /** Called by the console service. */
  private void print(byte[] bytes, int offset, int length) {
    try {
      out.write(bytes, offset, length);
    } catch (IOException e) {
      outputLost = true; // the reader of our pipe has gone; the run ends for that
      time.stop();
    }
    unmatched.append(new String(bytes, offset, length, StandardCharsets.ISO_8859_1));
    match();
  }

  private void match() {
    if (!matched && steps.peek() instanceof After after) {
      int at = unmatched.indexOf(after.text());
      if (at >= 0) {
        unmatched.delete(0, at + after.text().length());
        matched = true;
        time.stop();
      } else if (unmatched.length() > after.text().length()) {
        unmatched.delete(0, unmatched.length() - after.text().length());
      }
    }
  }

  /** Types what is due. The machine stands still. */
  public void type() {
    offer();
    while (waiting.length == 0 && !steps.isEmpty() && isDue(steps.peek())) {
      waiting = steps.remove().typed().getBytes(StandardCharsets.ISO_8859_1);
      matched = false;
      offer();
      match();
    }
  }

  private boolean isDue(Step step) {
    return switch (step) {
      case At at -> at.nanos() <= time.nanos();
      case After after -> matched;
    };
  }

  private void offer() {
    if (waiting.length > 0) {
      int taken = console.offer(waiting, 0, waiting.length);
      byte[] rest = new byte[waiting.length - taken];
      System.arraycopy(waiting, taken, rest, 0, rest.length);
      waiting = rest;
      time.settle();
    }
  }

  /** When {@link #type} has to be called next at the latest. */
  public long nextNanos() {
    if (waiting.length > 0) {
      return time.nanos() + TRY_AGAIN_NANOS;
    }
    return steps.peek() instanceof At at ? at.nanos() : Long.MAX_VALUE;
  }

  /** The text that the script waits for, or nothing if it does not wait for one. */
  public String awaited() {
    return steps.peek() instanceof After after ? after.text() : "";
  }

  /** Whether nobody reads standard output any more. */
  public boolean outputLost() {
    return outputLost;
  }

  @Override
  public void close() {
    console.close();
  }
}
