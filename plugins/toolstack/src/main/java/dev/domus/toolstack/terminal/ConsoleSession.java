package dev.domus.toolstack.terminal;

import dev.domus.kernel.service.ConsoleService;
import dev.domus.toolstack.life.Guest;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Optional;

/**
 * A guest's console on standard input and output.
 *
 * <p>Bytes pass as they are, in both directions, unbuffered: a prompt without a line end appears at
 * once. Where standard input is a terminal, it is raw and Ctrl-] leaves. Where it is a pipe or a
 * file, its end leaves the guest alone: the guest simply hears no more.
 */
public final class ConsoleSession implements AutoCloseable {
  /** Ctrl-], by which {@code xl console} is left too. */
  private static final byte ESCAPE = 0x1D;

  private static final int BUFFER = 4096;

  private final OutputStream out;
  private final InputStream in;
  private final Optional<RawTerminal> terminal;
  private final ConsoleService.Attachment console;
  private volatile boolean left;
  private volatile boolean outputLost;

  private ConsoleSession(Guest guest) {
    out = new FileOutputStream(FileDescriptor.out);
    in = new FileInputStream(FileDescriptor.in);
    console = guest.attach(this::print);
    terminal = RawTerminal.enter();
    Thread.ofPlatform().daemon().name("console-input").start(this::pumpInput);
  }

  /** Puts a guest's console on the terminal; what it has printed so far appears first. */
  public static ConsoleSession open(Guest guest) {
    return new ConsoleSession(guest);
  }

  /** Called by the console service. */
  private void print(byte[] bytes, int offset, int length) {
    try {
      out.write(bytes, offset, length);
    } catch (IOException e) {
      outputLost = true; // the reader of our pipe has gone; the run ends for that
    }
  }

  private void pumpInput() {
    byte[] buffer = new byte[BUFFER];
    try {
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        int typed = terminal.isPresent() ? beforeEscape(buffer, count) : count;
        console.type(buffer, 0, typed);
        if (typed < count) {
          left = true;
          return;
        }
      }
    } catch (IOException e) {
      // Standard input is closed or cannot be read: the same as its end.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IllegalStateException e) {
      // The console was closed while a key was under way; nobody is there to receive it.
    }
  }

  private static int beforeEscape(byte[] bytes, int count) {
    for (int i = 0; i < count; i++) {
      if (bytes[i] == ESCAPE) {
        return i;
      }
    }
    return count;
  }

  /** Whether the terminal is raw, so that Ctrl-] leaves and Ctrl-C is the guest's. */
  public boolean raw() {
    return terminal.isPresent();
  }

  /** Whether the user has typed Ctrl-]. */
  public boolean left() {
    return left;
  }

  /** Whether nobody reads standard output any more. */
  public boolean outputLost() {
    return outputLost;
  }

  /** Waits until all that the guest has printed has been shown. */
  public void drain() throws InterruptedException {
    console.drain();
  }

  @Override
  public void close() {
    try {
      console.close();
    } finally {
      terminal.ifPresent(RawTerminal::close);
    }
  }
}
