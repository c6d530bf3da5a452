package dev.domus.kernel.control;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.FunctionSpec;
import java.util.List;
import java.util.OptionalInt;

/**
 * A PCI function as it is at one moment.
 *
 * @param id where it is on the bus
 * @param model the name of what models it
 * @param spec what it is to software
 * @param state where it is in its life
 * @param owner id of the domain that has it, of a failed one nominally
 * @param reason why it has failed, for people; empty if it has not
 * @param faults accesses of its to memory that were refused
 * @param regions where its regions are
 */
public record PciDevice(
    RequesterId id,
    String model,
    FunctionSpec spec,
    State state,
    OptionalInt owner,
    String reason,
    long faults,
    List<Region> regions) {

  /** Copies the list. */
  public PciDevice {
    regions = List.copyOf(regions);
  }

  /** Where a function is in its life. */
  public enum State {
    /** Nobody's: it reaches nothing. */
    UNASSIGNED,
    /** A domain's. */
    ASSIGNED,
    /** It threw, hung or lied: it reaches nothing any more. Unplug it, and plug it in again. */
    FAILED
  }

  /**
   * A region of a function.
   *
   * @param bar number of its base-address register
   * @param firstFrame machine frame number, beyond RAM
   * @param frames how many
   */
  public record Region(int bar, long firstFrame, long frames) {}
}
