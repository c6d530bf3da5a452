package dev.domus.iommu;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Who asks: the 16-bit identity that a PCI Express function puts into every request it sends (PCI
 * Express Base Specification, 2.2.6.2 <i>Transaction Descriptor, Transaction ID Field</i>). DMA
 * remapping looks its tables up by it.
 *
 * <pre>
 *   15            8 7         3 2      0
 *  +---------------+-----------+--------+
 *  |      bus      |  device   |function|
 *  +---------------+-----------+--------+
 * </pre>
 *
 * The text form is the one of {@code lspci} and of the {@code pci=} key of xl.cfg(5) without a
 * segment: {@code bb:dd.f}, hexadecimal.
 *
 * @param value the 16 bits, 0 to 0xffff
 */
public record RequesterId(int value) implements Comparable<RequesterId> {
  /** Buses of one PCI segment. */
  public static final int BUSES = 256;

  /** Devices of one bus. */
  public static final int DEVICES = 32;

  /** Functions of one device. */
  public static final int FUNCTIONS = 8;

  private static final int DEVICE_SHIFT = 3;
  private static final int BUS_SHIFT = 8;
  private static final Pattern TEXT =
      Pattern.compile("(?<bus>\\p{XDigit}{1,2}):(?<device>\\p{XDigit}{1,2})\\.(?<function>[0-7])");

  /**
   * Takes the 16 bits as they stand in a request.
   *
   * @throws IllegalArgumentException if {@code value} does not fit 16 bits
   */
  public RequesterId {
    checkRange("requester id", value, BUSES * DEVICES * FUNCTIONS);
  }

  /**
   * The requester id of a function.
   *
   * @param bus 0 to 255
   * @param device 0 to 31
   * @param function 0 to 7
   * @throws IllegalArgumentException if one of them is out of its range
   */
  public static RequesterId of(int bus, int device, int function) {
    checkRange("bus", bus, BUSES);
    checkRange("device", device, DEVICES);
    checkRange("function", function, FUNCTIONS);
    return new RequesterId(bus << BUS_SHIFT | device << DEVICE_SHIFT | function);
  }

  /**
   * Reads {@code bb:dd.f}; leading zeros may be left out.
   *
   * @throws IllegalArgumentException if the text is of another form, or names a device above 1f
   */
  public static RequesterId parse(String text) {
    Matcher matcher = TEXT.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "not a requester id, expected bb:dd.f such as 00:1f.2: text=" + text);
    }
    return of(
        Integer.parseInt(matcher.group("bus"), 16),
        Integer.parseInt(matcher.group("device"), 16),
        Integer.parseInt(matcher.group("function"), 16));
  }

  /** The bus, 0 to 255. */
  public int bus() {
    return value >>> BUS_SHIFT;
  }

  /** The device on its bus, 0 to 31. */
  public int device() {
    return value >>> DEVICE_SHIFT & DEVICES - 1;
  }

  /** The function of the device, 0 to 7. */
  public int function() {
    return value & FUNCTIONS - 1;
  }

  @Override
  public int compareTo(RequesterId other) {
    return Integer.compare(value, other.value);
  }

  /** The form that {@link #parse} reads: {@code bb:dd.f}, two digits each for bus and device. */
  @Override
  public String toString() {
    return String.format("%02x:%02x.%x", bus(), device(), function());
  }

  private static void checkRange(String what, int value, int end) {
    if (value < 0 || value >= end) {
      throw new IllegalArgumentException(
          what + " out of range 0.." + (end - 1) + ": value=" + value);
    }
  }
}
