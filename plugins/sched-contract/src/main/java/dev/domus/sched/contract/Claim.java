package dev.domus.sched.contract;

/**
 * What a scheduler may claim beyond what all owe. The rules that need no claim: no illegal pick, no
 * unit run twice at once, no wake-up lost, affinity honoured, nobody left waiting for longer than
 * fair or than its operator wants, no allocation in a decision, and a clean handover both ways.
 */
public enum Claim {
  /** No pCPU idles while a unit without a cap waits that may run there. */
  WORK_CONSERVING,

  /** CPU-bound units of the same weight get the same. */
  EQUAL_SHARES,

  /** CPU-bound units get shares in proportion to their weights. */
  WEIGHTS,

  /** A CPU-bound domain gets what its cap allows, and no more. */
  CAPS,

  /** More units than pCPUs all get on, whatever else is asked of the scheduler. */
  SHARES_PCPUS
}
