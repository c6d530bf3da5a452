package dev.domus.kernel.abi;

/**
 * Virtual interrupts (xen-pv-abi.md, section 10). Some exist once a vCPU, the others once a
 * machine.
 */
public final class Virq {
  /** How many there are. */
  public static final int COUNT = 24;

  /** Of each vCPU: its timer has expired, or the console's debug key was pressed. */
  public static final int TIMER = 0, DEBUG = 1;

  /** Of the machine: console input; some domain has shut down or is gone. */
  public static final int CONSOLE = 2, DOM_EXC = 3;

  private static final int XENOPROF = 7, XENPMU = 13;

  private Virq() {}

  /** Says whether a number names a virtual interrupt. */
  public static boolean exists(int virq) {
    return virq >= 0 && virq < COUNT;
  }

  /** Says whether the interrupt exists once a domain; it is bound on vCPU 0 and may be moved. */
  public static boolean isGlobal(int virq) {
    return virq != TIMER && virq != DEBUG && virq != XENOPROF && virq != XENPMU;
  }
}
