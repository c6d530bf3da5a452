package dev.domus.kernel.event;

/**
 * One port of one domain. The object stays the port's for the domain's life, whatever the port is
 * bound to.
 *
 * <p>Fields are written under the lock of the domain's {@link EventChannels} and read without it.
 */
final class Port {
  final int number;
  volatile PortBinding binding = PortBinding.Free.INSTANCE;

  /** The vCPU that is told. */
  volatile int notifyVcpu;

  Port(int number) {
    this.number = number;
  }
}
