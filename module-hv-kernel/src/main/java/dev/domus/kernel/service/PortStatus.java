package dev.domus.kernel.service;

/**
 * What EVTCHNOP_status says of a port.
 *
 * @param state one of the constants
 * @param vcpu the vCPU that it notifies
 * @param remoteDomid of an unbound port who may bind to it, of a channel the other end; else 0
 * @param detail of a channel the port at the other end, of a virtual or physical interrupt its
 *     number; else 0
 */
public record PortStatus(int state, int vcpu, int remoteDomid, int detail) {
  /** State of a port. */
  public static final int CLOSED = 0, UNBOUND = 1, INTERDOMAIN = 2, PIRQ = 3, VIRQ = 4, IPI = 5;
}
