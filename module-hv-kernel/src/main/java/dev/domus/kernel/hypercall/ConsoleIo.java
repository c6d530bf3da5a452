package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.console.MachineConsole;
import dev.domus.kernel.domain.Vcpu;
import java.lang.foreign.MemorySegment;

/**
 * console_io (18): the machine's own console. As in a release build of Xen unprivileged domains may
 * not use it, and are refused before command, count or buffer is looked at; they have a console
 * ring. What a privileged one writes is kept for the sysctl readconsole; what it reads is what
 * domain 0 types, of which VIRQ_CONSOLE tells.
 */
final class ConsoleIo implements Hypercall {
  private static final int WRITE = 0, READ = 1;

  /** What is copied between two chances to be preempted, in bytes. */
  private static final int CHUNK = 1024;

  private static final Subops SUBOPS = Subops.byArgument().done(WRITE, "write").done(READ, "read");

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long command, long count, long buffer, long a4, long a5) {
    int refusal =
        v.domain()
            .hypervisor()
            .access()
            .check(Operation.CONSOLE_IO, v.domain().domid(), Domid.XEN, (int) command);
    if (refusal != 0) {
      return refusal;
    }
    return switch ((int) command) {
      case WRITE -> write(v, (int) count, buffer);
      case READ -> read(v, (int) count, buffer);
      default -> -Errno.ENOSYS;
    };
  }

  private static long read(Vcpu v, int count, long buffer) {
    if (count < 0) {
      return -Errno.E2BIG;
    }
    MachineConsole console = v.domain().hypervisor().console();
    byte[] text = new byte[Math.min(count, console.waiting())];
    v.guest().requireWritable(buffer, text.length);
    MemorySegment taken = MemorySegment.ofArray(text);
    int length = console.take(taken); // less if another reader was faster
    v.guest().write(buffer, taken, 0, length);
    return length;
  }

  private static long write(Vcpu v, int count, long buffer) {
    if (count < 0) {
      return -Errno.E2BIG;
    }
    MemorySegment chunk = MemorySegment.ofArray(new byte[Math.min(count, CHUNK)]);
    for (int done = 0; done < count; ) {
      if (done != 0 && v.mustPreempt()) {
        v.continuation().leave(WRITE, count - done, buffer + done);
        return CONTINUE;
      }
      int length = Math.min(CHUNK, count - done);
      v.guest().read(buffer + done, chunk, 0, length);
      v.domain().hypervisor().console().write(chunk, length);
      done += length;
    }
    return 0;
  }
}
