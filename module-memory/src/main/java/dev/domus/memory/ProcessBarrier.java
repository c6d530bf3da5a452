package dev.domus.memory;

import java.lang.invoke.VarHandle;

/**
 * A memory fence paid for by one side only: the side that runs often does nothing, the side that
 * runs seldom makes every running thread of the process execute a full fence (Linux, {@code
 * membarrier(2)}, private expedited: some 1 µs).
 *
 * <p>The use is Dekker's pattern, each side writing one variable and then reading the other's:
 *
 * <pre>
 *   often:  a = 1  {@link #light}  read b         seldom:  b = 1  {@link #heavy}  read a
 * </pre>
 *
 * At least one of the two sees the other's write. The variables of the often side are accessed
 * opaquely or more strongly: what is left is that the compiler keeps these in program order, and
 * HotSpot's compilers do (the interpreter and C1 trivially; C2 puts a barrier of its own against
 * moving code on both sides of an opaque access). The Java memory model does not promise it, so on
 * a JVM that is not HotSpot, and where the host has no such call, both sides fence.
 */
final class ProcessBarrier {
  /** Whether {@link #light} costs nothing; a constant, so that the choice costs nothing either. */
  static final boolean ASYMMETRIC =
      System.getProperty("java.vm.name", "").matches(".*(HotSpot|OpenJDK).*")
          && !Boolean.getBoolean("domus.symmetricFences")
          && LinuxCalls.available()
          && LinuxCalls.registerBarrier();

  private ProcessBarrier() {}

  /** The often side's half. */
  static void light() {
    if (!ASYMMETRIC) {
      VarHandle.fullFence();
    }
  }

  /** The seldom side's half. */
  static void heavy() {
    if (ASYMMETRIC) {
      LinuxCalls.barrier();
    }
    VarHandle.fullFence();
  }
}
