package dev.domus.nvme;

import java.lang.foreign.MemorySegment;

/**
 * Log pages (5.14.1).
 *
 * <pre>
 *  SMART / health, 512 bytes                      firmware slots, 512 bytes
 *    0 u8   critical warning                        0 u8  active slot
 *    1 u16  composite temperature, kelvin           8     revision in slot 1, 8 characters
 *    3 u8   available spare, 4 u8 its threshold, 5 u8 percentage used
 *   32 u128 data units read, of 512,000 bytes      48 u128 data units written
 *   64 u128 read commands                          80 u128 write commands
 *  112 u128 power cycles                          128 u128 power-on hours
 *  160 u128 media errors                          176 u128 entries of the error log
 * </pre>
 */
final class LogPages {
  /** Log page identifier. */
  static final int ERROR = 0x01, SMART = 0x02, FIRMWARE = 0x03;

  private static final int SPARE_PERCENT = 100, SPARE_THRESHOLD = 10;
  private static final int UNIT = 1000;
  private static final long NANOS_PER_HOUR = 3_600_000_000_000L;

  private final ErrorLog errors;
  private final Counters[] counters;
  private final long poweredOn = System.nanoTime();

  LogPages(ErrorLog errors, Counters[] counters) {
    this.errors = errors;
    this.counters = counters;
  }

  /** Size of a log page; 0 if there is none. */
  static int bytes(int page) {
    return switch (page) {
      case ERROR -> ErrorLog.ENTRIES * 64;
      case SMART, FIRMWARE -> 512;
      default -> 0;
    };
  }

  /** Writes a log page that there is into zeroed memory. */
  void write(int page, MemorySegment to, Features features) {
    switch (page) {
      case ERROR -> errors.writeTo(to);
      case SMART -> writeSmart(to, features);
      default -> {
        IdentifyLayout.putByte(to, 0, 1);
        IdentifyLayout.putText(to, 8, 8, IdentifyLayout.REVISION);
      }
    }
  }

  private void writeSmart(MemorySegment to, Features features) {
    long reads = 0;
    long unitsRead = 0;
    long writes = 0;
    long unitsWritten = 0;
    long mediaErrors = 0;
    for (Counters of : counters) {
      reads += of.reads.getAcquire();
      unitsRead += of.unitsRead.getAcquire();
      writes += of.writes.getAcquire();
      unitsWritten += of.unitsWritten.getAcquire();
      mediaErrors += of.mediaErrors.getAcquire();
    }
    IdentifyLayout.putByte(to, 0, features.criticalWarnings());
    IdentifyLayout.putByte(to, 1, Features.TEMPERATURE);
    IdentifyLayout.putByte(to, 2, Features.TEMPERATURE >>> Byte.SIZE);
    IdentifyLayout.putByte(to, 3, SPARE_PERCENT);
    IdentifyLayout.putByte(to, 4, SPARE_THRESHOLD);
    IdentifyLayout.putLong(to, 32, (unitsRead + UNIT - 1) / UNIT);
    IdentifyLayout.putLong(to, 48, (unitsWritten + UNIT - 1) / UNIT);
    IdentifyLayout.putLong(to, 64, reads);
    IdentifyLayout.putLong(to, 80, writes);
    IdentifyLayout.putLong(to, 112, 1);
    IdentifyLayout.putLong(to, 128, (System.nanoTime() - poweredOn) / NANOS_PER_HOUR);
    IdentifyLayout.putLong(to, 160, mediaErrors);
    IdentifyLayout.putLong(to, 176, errors.count());
  }
}
