package dev.domus.kernel.abi;

/**
 * The argument structures of event_channel_op, 32-bit fields unless marked (xen-pv-abi.md, section
 * 10).
 *
 * <pre>
 *                       0                4            8            12       16
 *   bind_interdomain    remote_dom u16   remote_port  local_port
 *   bind_virq           virq             vcpu         port
 *   bind_pirq           pirq             flags        port
 *   close, send, unmask port
 *   status              dom u16          port         status       vcpu     unbound: dom u16
 *                                                                           interdomain: dom u16, port at 20
 *                                                                           virq: virq; pirq: pirq
 *   alloc_unbound       dom u16, remote_dom u16 at 2  (port at 4)
 *   bind_ipi            vcpu             port
 *   bind_vcpu           port             vcpu
 *   reset               dom u16
 *   init_control        control_gfn u64               offset       vcpu     link_bits u8
 *   expand_array        array_gfn u64
 *   set_priority        port             priority
 * </pre>
 */
public final class EventChannelLayout {
  /** Sub-operation. */
  public static final int BIND_INTERDOMAIN = 0,
      BIND_VIRQ = 1,
      BIND_PIRQ = 2,
      CLOSE = 3,
      SEND = 4,
      STATUS = 5;

  /** Sub-operation. */
  public static final int ALLOC_UNBOUND = 6, BIND_IPI = 7, BIND_VCPU = 8, UNMASK = 9, RESET = 10;

  /** Sub-operation of the FIFO ABI. */
  public static final int INIT_CONTROL = 11, EXPAND_ARRAY = 12, SET_PRIORITY = 13;

  /** Offset in bind_interdomain. */
  public static final int INTERDOMAIN_REMOTE_DOM = 0,
      INTERDOMAIN_REMOTE_PORT = 4,
      INTERDOMAIN_LOCAL_PORT = 8;

  /** Offset in bind_virq. */
  public static final int VIRQ_VIRQ = 0, VIRQ_VCPU = 4, VIRQ_PORT = 8;

  /** Offset in bind_pirq. */
  public static final int PIRQ_PIRQ = 0, PIRQ_FLAGS = 4, PIRQ_PORT = 8;

  /** Offset in status. */
  public static final int STATUS_DOM = 0,
      STATUS_PORT = 4,
      STATUS_STATUS = 8,
      STATUS_VCPU = 12,
      STATUS_DETAIL = 16;

  /** Offset in status of an interdomain port. */
  public static final int STATUS_REMOTE_PORT = 20;

  /** Offset in alloc_unbound. */
  public static final int UNBOUND_DOM = 0, UNBOUND_REMOTE_DOM = 2, UNBOUND_PORT = 4;

  /** Offset in bind_ipi. */
  public static final int IPI_VCPU = 0, IPI_PORT = 4;

  /** Offset in bind_vcpu. */
  public static final int VCPU_PORT = 0, VCPU_VCPU = 4;

  /** Offset in init_control. */
  public static final int CONTROL_GFN = 0,
      CONTROL_OFFSET = 8,
      CONTROL_VCPU = 12,
      CONTROL_LINK_BITS = 16;

  /** Offset in set_priority. */
  public static final int PRIORITY_PORT = 0, PRIORITY_PRIORITY = 4;

  private EventChannelLayout() {}
}
