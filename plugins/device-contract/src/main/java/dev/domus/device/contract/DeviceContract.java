package dev.domus.device.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.domus.kernel.device.Bar;
import dev.domus.kernel.device.Device;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/**
 * What the kernel relies on for every device, whatever it models. A device's tests extend it.
 *
 * <p>Whoever owns a device may store anything anywhere: that is no reason to throw, on the thread
 * that takes stores or on a worker, and none to reach memory that is not there. A reset makes the
 * device as it was after power-on.
 */
public abstract class DeviceContract {
  private static final int PAGES = 16;
  private static final int SIZES = 4;

  /** A new device. */
  protected abstract Device device();

  /** Offsets of registers that mean something, so that random stores find them. */
  protected abstract long[] registers();

  /** For subclasses. */
  protected DeviceContract() {}

  /** Stores of anything anywhere do not make it throw, and a reset ends what they began. */
  @Property(tries = 100, seed = "1")
  protected void whateverIsStoredIsNoReasonToThrow(@ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (SoftwareBus bus = new SoftwareBus(device())) {
      final long[] powerOn = bus.image(0);
      for (int i = 0; i < PAGES; i++) {
        bus.memory()
            .map(
                (long) i * SoftwareMemory.PAGE,
                1,
                i % 5 != 4,
                i % 3 != 2); // and one that is neither
        byte[] bytes = new byte[SoftwareMemory.PAGE];
        random.nextBytes(bytes);
        bus.memory().put((long) i * SoftwareMemory.PAGE, bytes);
      }
      for (int i = 0; i < 400; i++) {
        Bar bar = bus.bars().get(random.nextInt(bus.bars().size()));
        int size = 1 << random.nextInt(SIZES);
        bus.store(bar.number(), offset(random, bar, size), size, value(random));
      }
      bus.reset();
      assertArrayEquals(powerOn, bus.image(0), "registers after a reset");
      assertEquals(List.of(), bus.failures());
    }
  }

  private long offset(SplittableRandom random, Bar bar, int size) {
    long[] known = registers();
    long any =
        random.nextInt(8) == 0 ? random.nextLong(bar.bytes()) : known[random.nextInt(known.length)];
    return any & -size;
  }

  /** What drivers write, and what they do not: small numbers, pages that are there, anything. */
  private static long value(SplittableRandom random) {
    return switch (random.nextInt(5)) {
      case 0 -> random.nextInt(4);
      case 1 -> random.nextInt(64);
      case 2 -> (long) random.nextInt(PAGES) * SoftwareMemory.PAGE;
      case 3 -> 1L << random.nextInt(Long.SIZE);
      default -> random.nextLong();
    };
  }

  /** A device that nobody has told anything does nothing, and ends when told to. */
  @Test
  protected void aDeviceThatNobodyUsesIsQuiet() {
    try (SoftwareBus bus = new SoftwareBus(device())) {
      bus.reset();
      bus.reset();
      assertEquals(0, bus.memory().faults(), "accesses to memory");
      assertFalse(bus.anyInterrupt());
    }
  }
}
