package dev.domus.kernel.access;

/**
 * What a domain may ask to do to another, or to the machine; for the latter the target is
 * DOMID_XEN. Each says what its detail means to a policy, and whether the built-in policy lets a
 * domain do it to itself.
 */
public enum Operation {
  /** Map the target's frames into one's own page tables. Detail: 0. */
  MAP_FRAMES("map frames of", true),

  /** Change the target's page tables, M2P entries or pins. Detail: 0. */
  CHANGE_TABLES("change page tables of", true),

  /** Give memory to the target or take it away. Detail: memory_op command. */
  ADJUST_MEMORY("adjust the memory of", true),

  /** Ask how much memory the target has or may have. Detail: memory_op command. */
  QUERY_MEMORY("query the memory of", true),

  /** Open and ask about event channels on the target's behalf. Detail: 0. */
  EVENT_CHANNELS("manage event channels of", true),

  /** Set up and ask about the target's grant table on its behalf. Detail: 0. */
  GRANT_TABLE("manage the grant table of", true),

  /** Let the target map I/O frames, or not any more. Detail: the first frame. */
  IO_MEMORY("change the I/O memory of", false),

  /** Let the target use I/O ports, or not any more. Detail: the first port. */
  IO_PORTS("change the I/O ports of", false),

  /** Map the target's physical interrupts. Detail: physdev_op command. */
  PHYSICAL_INTERRUPTS("manage the physical interrupts of", true),

  /**
   * Read and write the configuration space of the target's PCI functions, or of those that are
   * nobody's; plug functions into the machine and unplug them, list them. Detail: the requester id,
   * 0 for all.
   */
  PCI_BUS("use the PCI bus of", false),

  /** Control a domain. Detail: domctl command. */
  DOMCTL("control", false),

  /** Shut a domain down by sched_op. Detail: the reason. */
  REMOTE_SHUTDOWN("shut down", false),

  /** Control or ask about the machine. Detail: sysctl command. */
  SYSCTL("control the system:", false),

  /** Control the platform. Detail: platform_op command. */
  PLATFORM_OP("control the platform:", false),

  /** Read and write the machine's console. Detail: console_io command. */
  CONSOLE_IO("use the console of", false),

  /** Look at refusals, and replace the access policy. Detail: 0 to look, 1 to replace. */
  ACCESS_POLICY("see or replace the access policy of", false);

  private final String words;
  private final boolean ownIsFree;

  Operation(String words, boolean ownIsFree) {
    this.words = words;
    this.ownIsFree = ownIsFree;
  }

  /** What is asked, in words that the target's name may follow. */
  public String words() {
    return words;
  }

  /** Whether a domain without privilege may do it to itself. */
  public boolean ownIsFree() {
    return ownIsFree;
  }
}
