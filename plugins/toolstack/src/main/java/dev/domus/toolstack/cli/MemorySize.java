package dev.domus.toolstack.cli;

import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * An amount of memory as users write it: a whole number and a unit, K, M, G or T; without a unit it
 * is MiB, as everywhere in Xen's configuration.
 *
 * @param bytes how much, a multiple of 4096
 */
record MemorySize(long bytes) {
  private static final int PAGE_SIZE = 4096;

  /** As much as any domain may have: 1 TiB. */
  private static final long LIMIT = 1L << 40;

  /** How many frames that is. */
  long pages() {
    return bytes / PAGE_SIZE;
  }

  /** Reads an amount. */
  static final class Converter implements ITypeConverter<MemorySize> {
    @Override
    public MemorySize convert(String text) {
      String number = text.toUpperCase(Locale.ROOT);
      int shift = 20;
      if (!number.isEmpty()) {
        int unit = "KMGT".indexOf(number.charAt(number.length() - 1));
        if (unit >= 0) {
          shift = 10 * (unit + 1);
          number = number.substring(0, number.length() - 1);
        }
      }
      long count;
      try {
        count = Long.parseLong(number);
      } catch (NumberFormatException e) {
        throw new TypeConversionException(
            "'" + text + "' is no amount of memory; write it like 64M or 2G");
      }
      if (count <= 0 || count > LIMIT >> shift) {
        throw new TypeConversionException("'" + text + "' is out of range; a domain has 4K to 1T");
      }
      long bytes = count << shift;
      if (bytes % PAGE_SIZE != 0) {
        throw new TypeConversionException(
            "'" + text + "' is not a multiple of 4K, the size of a page");
      }
      return new MemorySize(bytes);
    }
  }
}
