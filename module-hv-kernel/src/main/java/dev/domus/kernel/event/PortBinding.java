package dev.domus.kernel.event;

/**
 * What a port is bound to. Values are immutable: a port changes its binding by one volatile store.
 */
sealed interface PortBinding {
  /** Nothing: the port can be allocated. */
  record Free() implements PortBinding {
    static final Free INSTANCE = new Free();
  }

  /** Port 0, which is never allocated. */
  record Reserved() implements PortBinding {
    static final Reserved INSTANCE = new Reserved();
  }

  /** A domain may bind to it. */
  record Unbound(int remoteDomid) implements PortBinding {}

  /** One half of a channel; the other half's binding names this port. */
  record Interdomain(EventChannels remote, Port remotePort) implements PortBinding {}

  /** A virtual interrupt, on the vCPU that it was bound for. */
  record BoundVirq(int virq, int vcpu) implements PortBinding {}

  /** A physical interrupt. */
  record BoundPirq(PhysicalInterrupt interrupt) implements PortBinding {}

  /** An interrupt that the domain's vCPUs send one another. */
  record Ipi() implements PortBinding {
    static final Ipi INSTANCE = new Ipi();
  }
}
