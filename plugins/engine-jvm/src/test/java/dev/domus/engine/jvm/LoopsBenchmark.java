package dev.domus.engine.jvm;

import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Guest instructions a second on loops that gcc -O2 made of {@code src/test/c/loops.c}. Not a test:
 * run {@link #main}; the argument is the path of the source.
 */
public final class LoopsBenchmark {
  private static final long STACK = 0x7F0000;

  private LoopsBenchmark() {}

  /** Runs every loop a few times and prints the best rate. */
  public static void main(String[] args) throws Exception {
    Assembled program =
        Assembled.of(
            Path.of(args[0]),
            "-O2",
            "-ffreestanding",
            "-fno-pic",
            "-mno-sse",
            "-fno-stack-protector",
            "-fcf-protection=none");
    Map<String, Long> counts = new LinkedHashMap<>();
    counts.put("alu", 40_000_000L);
    counts.put("crc", 3_000_000L);
    counts.put("sieve", 60L);
    counts.put("list", 50_000_000L);
    counts.put("matrix", 100L);
    counts.put("machine", 20_000_000L);
    counts.put("fib", 32L);
    for (int round = 0; round < (args.length > 1 ? Integer.parseInt(args[1]) : 3); round++) {
      for (Map.Entry<String, Long> entry : counts.entrySet()) {
        TestMachine machine = new TestMachine(2048);
        machine.map(Assembled.BASE, 300, TestMachine.WRITABLE);
        machine.map(STACK - 0x10000, 16, TestMachine.WRITABLE);
        machine.write(Assembled.BASE, program.image());
        TestMachine.TestVcpu vcpu = machine.vcpu();
        CpuState s = vcpu.state;
        s.rip = program.symbols().get(entry.getKey());
        s.gpr[CpuState.RDI] = entry.getValue();
        s.gpr[CpuState.RSP] = STACK - 8;
        machine.write(Assembled.BASE + 299 * 4096L, (byte) 0x0F, (byte) 0x05);
        machine.write(STACK - 8, (byte) 0, (byte) 0xB0, (byte) 0x52);
        long begin = System.nanoTime();
        long beginCpu = cpuNanos();
        Exit exit;
        do {
          exit = vcpu.engine.run(1_000_000);
        } while (exit == Exit.BUDGET);
        double seconds = (System.nanoTime() - begin) / 1e9;
        double cpuSeconds = (cpuNanos() - beginCpu) / 1e9;
        System.out.printf(
            "%-8s %8.1f MIPS by CPU time %8.1f MIPS by wall clock, checksum %x, %s%n",
            entry.getKey(),
            s.retired / cpuSeconds / 1e6,
            s.retired / seconds / 1e6,
            s.gpr[CpuState.RAX],
            exit);
      }
    }
  }

  /**
   * Time that this thread has spent on a processor: what counts on a machine that is busy with
   * other things.
   */
  private static long cpuNanos() throws IOException {
    Path schedstat = Path.of("/proc/thread-self/schedstat");
    return Files.exists(schedstat)
        ? Long.parseLong(Files.readString(schedstat).split(" ")[0])
        : System.nanoTime();
  }
}
