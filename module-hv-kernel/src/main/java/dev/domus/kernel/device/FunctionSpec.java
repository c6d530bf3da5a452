package dev.domus.kernel.device;

import java.util.List;

/**
 * What a PCI function is to software (PCI Local Bus Specification 3.0, 6.1 and 6.2): the kernel
 * makes its configuration space of it. It has the PCI Express capability with function-level reset,
 * MSI or MSI-X if it interrupts, and neither an INTx pin, I/O ports nor an expansion ROM.
 *
 * @param vendorId 0 to 0xffff
 * @param deviceId 0 to 0xffff
 * @param revision 0 to 0xff
 * @param classCode 24 bits: base class, subclass, programming interface
 * @param subsystemVendorId 0 to 0xffff
 * @param subsystemId 0 to 0xffff
 * @param bars without that of the MSI-X table, which the kernel adds behind them; at most two with
 *     MSI-X, three otherwise
 * @param interrupts how it interrupts
 * @param vectors interrupt vectors, 1 to {@link InterruptKind#maxVectors}, a power of two with MSI;
 *     0 if it does not interrupt
 */
public record FunctionSpec(
    int vendorId,
    int deviceId,
    int revision,
    int classCode,
    int subsystemVendorId,
    int subsystemId,
    List<Bar> bars,
    InterruptKind interrupts,
    int vectors) {
  private static final int MAX_BARS = 3;

  /**
   * Checks the ranges.
   *
   * @throws IllegalArgumentException if one is left
   */
  public FunctionSpec {
    bars = List.copyOf(bars);
    check("vendor id", vendorId, 0xffff);
    check("device id", deviceId, 0xffff);
    check("revision", revision, 0xff);
    check("class code", classCode, 0xffffff);
    check("subsystem vendor id", subsystemVendorId, 0xffff);
    check("subsystem id", subsystemId, 0xffff);
    check(
        "number of BARs", bars.size(), interrupts == InterruptKind.MSI_X ? MAX_BARS - 1 : MAX_BARS);
    check("number of vectors", vectors, interrupts.maxVectors());
    if (vectors == 0 != (interrupts == InterruptKind.NONE)
        || interrupts == InterruptKind.MSI && Integer.bitCount(vectors) != 1) {
      throw new IllegalArgumentException(
          "number of vectors does not go with the kind of interrupts: interrupts=%s vectors=%d"
              .formatted(interrupts, vectors));
    }
    if (bars.stream().map(Bar::number).distinct().count() != bars.size()) {
      throw new IllegalArgumentException("two BARs have one number: bars=" + bars);
    }
  }

  private static void check(String what, int value, int max) {
    if (value < 0 || value > max) {
      throw new IllegalArgumentException(
          "%s out of range 0..%d: value=%d".formatted(what, max, value));
    }
  }
}
