package dev.domus.kernel.event;

/**
 * A port as EVTCHNOP_status describes it.
 *
 * @param state one of the constants
 * @param vcpu the vCPU that is notified
 * @param remoteDomid of an unbound or interdomain port, otherwise 0
 * @param detail remote port of an interdomain port, number of a virtual interrupt, otherwise 0
 */
public record PortStatus(int state, int vcpu, int remoteDomid, int detail) {
  /** State of a port in the ABI. */
  public static final int CLOSED = 0, UNBOUND = 1, INTERDOMAIN = 2, PIRQ = 3, VIRQ = 4, IPI = 5;
}
