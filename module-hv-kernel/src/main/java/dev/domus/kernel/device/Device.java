package dev.domus.kernel.device;

/**
 * A PCI function, as its model sees it.
 *
 * <h2>Life</h2>
 *
 * <pre>
 *   create ---> start ---> reset ---> (store, work, DMA, interrupts) ---> reset ---> ... ---> close
 *                            ^        \________ one owner _________/        ^
 *                            first owner                                    next owner
 * </pre>
 *
 * <p>{@link #reset} stands between owners: when it has returned the device is as after power-on,
 * has no DMA under way and remembers nothing of the last one's data. The kernel relies on none of
 * that for protection (DMA is cut off and interrupts are masked before), but the next owner relies
 * on it for sense.
 *
 * <h2>Threads</h2>
 *
 * <p>{@link #start}, {@link #store}, {@link #reset} and {@link #close} are called one at a time on
 * the function's own thread. Work that takes long, such as I/O on the host, belongs on {@linkplain
 * DeviceBus#work threads that it asks for}, because a load by the guest waits until the stores
 * before it have been taken. A call that throws, or takes longer than the kernel's patience (half a
 * second of CPU time or five seconds for a store, ten seconds for a reset), is the device's
 * failure. Of a device that has failed {@link #close} is called on another thread, even if one of
 * its own has not come back.
 *
 * <h2>Registers</h2>
 *
 * <p>Stores are posted, as on the bus: a guest's instruction ends before the device has seen its
 * store, and the device takes stores in the order in which each vCPU made them. Loads are answered
 * from {@link DeviceBus#registers}, which the device keeps as they should read, once all stores
 * that the same vCPU made before have been taken. Reads that change a register cannot be modelled.
 */
public interface Device extends AutoCloseable {
  /** What it is. Constant; asked before {@link #start}. */
  FunctionSpec function();

  /** It is plugged in: from now on the bus may be used. A {@link #reset} follows before its use. */
  void start(DeviceBus bus);

  /**
   * A store by software to one of its registers.
   *
   * @param bar number of the base-address region
   * @param offset in bytes from its start, aligned to the size
   * @param size 1, 2, 4 or 8 bytes
   * @param value zero-extended
   */
  void store(int bar, long offset, int size, long value);

  /**
   * Back to the state after power-on: function-level reset (PCI Express Base Specification, 6.6.2).
   */
  void reset();

  /** It is unplugged: gives back what it had of the host. */
  @Override
  void close();
}
