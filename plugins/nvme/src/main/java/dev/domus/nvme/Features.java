package dev.domus.nvme;

/**
 * Features (5.14, 5.21): a double word each, as software set it. None is kept beyond a reset. Set
 * by the admin worker, read by all.
 */
final class Features {
  /** Feature identifier. */
  static final int ARBITRATION = 0x01,
      POWER_MANAGEMENT = 0x02,
      TEMPERATURE_THRESHOLD = 0x04,
      ERROR_RECOVERY = 0x05,
      VOLATILE_WRITE_CACHE = 0x06,
      NUMBER_OF_QUEUES = 0x07,
      INTERRUPT_COALESCING = 0x08,
      INTERRUPT_VECTOR = 0x09,
      WRITE_ATOMICITY = 0x0a,
      ASYNC_EVENTS = 0x0b;

  /** What the thermometer says, in kelvin: always 25 °C. */
  static final int TEMPERATURE = 298;

  private static final int COUNT = 0x0c;
  private static final int DEFAULT_OVER = 343;
  private static final int UNDER = 1 << 20;
  private static final int COALESCING_DISABLED = 1 << 16;
  private static final int TICK_NANOS = 100_000;

  private final int[] values = new int[COUNT];
  private final boolean[] notCoalesced;
  private final int pairs;
  private int under;
  private volatile boolean writeCache = true;

  /** Threshold and time of coalescing in one word; 0 if it is off. */
  private volatile int coalescing;

  Features(int pairs) {
    this.pairs = pairs;
    notCoalesced = new boolean[pairs + 1];
    values[ARBITRATION] = 0x07; // no limit to bursts
    values[TEMPERATURE_THRESHOLD] = DEFAULT_OVER;
    values[VOLATILE_WRITE_CACHE] = 1;
    values[NUMBER_OF_QUEUES] = queues();
  }

  private int queues() {
    return pairs - 1 | pairs - 1 << 16;
  }

  static boolean exists(int feature) {
    return feature >= ARBITRATION && feature < COUNT && feature != 0x03;
  }

  /** The value of a feature that exists; the argument is dword 11. Or {@link Status#NONE}. */
  int get(int feature, int argument, boolean isDefault) {
    if (isDefault) {
      return new Features(pairs).get(feature, argument, false);
    }
    if (feature == INTERRUPT_VECTOR) {
      int vector = argument & 0xffff;
      return vector > pairs
          ? Status.NONE
          : vector | (notCoalesced[vector] ? COALESCING_DISABLED : 0);
    }
    if (feature == TEMPERATURE_THRESHOLD && (argument & UNDER) != 0) {
      return under;
    }
    return values[feature];
  }

  /**
   * Sets a feature that exists.
   *
   * @return a status
   */
  int set(int feature, int value, Session session) {
    int kept = value;
    switch (feature) {
      case POWER_MANAGEMENT -> {
        if ((value & 0x1f) != 0) { // power state 0 is the only one
          return Status.INVALID_FIELD;
        }
      }
      case TEMPERATURE_THRESHOLD -> {
        if ((value >>> 16 & 15) != 0 && (value >>> 16 & 15) != 15 || (value >>> 20 & 3) > 1) {
          return Status.INVALID_FIELD; // one sensor, the composite; over and under
        }
        if ((value & UNDER) != 0) {
          under = value & 0xffff;
          kept = values[feature];
        } else {
          kept = value & 0xffff;
        }
      }
      case VOLATILE_WRITE_CACHE -> {
        kept = value & 1;
        writeCache = kept != 0;
      }
      case NUMBER_OF_QUEUES -> {
        if ((value & 0xffff) == 0xffff || value >>> 16 == 0xffff) {
          return Status.INVALID_FIELD;
        }
        if (session.hasIoQueues()) {
          return Status.SEQUENCE_ERROR;
        }
        kept = queues();
      }
      case INTERRUPT_COALESCING -> {
        kept = value & 0xffff;
        coalescing = (kept & 0xff) != 0 && kept >>> 8 != 0 ? kept : 0;
      }
      case INTERRUPT_VECTOR -> {
        if ((value & 0xffff) > pairs) {
          return Status.INVALID_FIELD;
        }
        notCoalesced[value & 0xffff] = (value & COALESCING_DISABLED) != 0;
      }
      default -> {}
    }
    values[feature] = kept;
    if (criticalWarnings() != 0 && (values[ASYNC_EVENTS] & criticalWarnings()) != 0) {
      session.events.report(AsyncEvents.SMART, AsyncEvents.TEMPERATURE);
    }
    return Status.SUCCESS;
  }

  /** Whether writes may stay in the host's memory until they are flushed. */
  boolean hasWriteCache() {
    return writeCache;
  }

  /** Critical warning of the SMART log page: bit 1, temperature beyond a threshold. */
  int criticalWarnings() {
    return TEMPERATURE >= values[TEMPERATURE_THRESHOLD] || TEMPERATURE <= under ? 2 : 0;
  }

  /** How many completions may wait for an interrupt; 0: none. */
  int coalescingThreshold(CompletionQueue queue) {
    return isCoalesced(queue) ? coalescing & 0xff : 0;
  }

  /** How long one may wait. */
  long coalescingNanos() {
    return (long) (coalescing >>> 8) * TICK_NANOS;
  }

  /** Not for admin completions (5.21.1.8). */
  private boolean isCoalesced(CompletionQueue queue) {
    return queue.id != 0 && queue.vector >= 0 && !notCoalesced[queue.vector];
  }
}
