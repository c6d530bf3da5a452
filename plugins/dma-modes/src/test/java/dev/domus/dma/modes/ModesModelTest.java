package dev.domus.dma.modes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.IoDomain;
import dev.domus.iommu.dma.DmaSpace;
import dev.domus.kernel.device.DmaMode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * A driver maps parts of its pages, in any order, under a mode; its device reads and writes. The
 * reference is two arrays: what the driver's memory holds, and what each mapping shows the device.
 * What the driver writes has the top bit set and what the device writes has not, so that a byte
 * says whose it is.
 */
class ModesModelTest {
  private static final int PAGES = 12, PAGE = 4096, STEPS = 250;
  private static final int DRIVERS = 0x80;

  /** What was mapped, and what the device should see of it. */
  private record Mapping(
      long address, int page, int inPage, int length, int pages, int permissions, byte[] shown) {}

  @Property(tries = 40)
  void deferredShowsMemoryItselfAndTakesItAtTheLatestWhenItSettles(@ForAll long seed) {
    new Run(seed, 0, lab -> new Deferred(lab, 8, TimeUnit.HOURS.toNanos(1)), false).play();
  }

  @Property(tries = 40)
  void shadowShowsWhatWasMappedAndNothingBesideIt(@ForAll long seed) {
    new Run(seed, 16, Shadow::new, true).play();
  }

  private static final class Run {
    final Random random;
    final Lab lab;
    final DmaMode mode;
    final boolean copies;
    final long[] mfns;
    final byte[] memory = new byte[PAGES * PAGE];
    final MemorySegment buffer = MemorySegment.ofArray(new byte[PAGES * PAGE]);
    final List<Mapping> live = new ArrayList<>();
    final List<Mapping> ended = new ArrayList<>();

    Run(long seed, int modePages, Function<Lab, DmaMode> maker, boolean copies) {
      random = new Random(seed);
      lab = new Lab(modePages);
      mode = maker.apply(lab);
      mfns = lab.frames(PAGES);
      this.copies = copies;
      driverWrites(0, memory.length);
    }

    void play() {
      try (lab) {
        for (int i = 0; i < STEPS; i++) {
          step();
        }
        for (Mapping mapping : List.copyOf(live)) {
          unmap(mapping);
        }
        settle();
        assertArrayEquals(memory, driverMemory());
        mode.close();
      }
    }

    void step() {
      switch (random.nextInt(8)) {
        case 0, 1 -> map();
        case 2 -> driverWritesSomewhere();
        case 3 -> withMapping(this::deviceReads);
        case 4 -> withMapping(this::deviceWrites);
        case 5 -> withMapping(this::unmap);
        case 6 -> withMapping(this::synchronise);
        default -> settle();
      }
    }

    void withMapping(java.util.function.Consumer<Mapping> action) {
      if (!live.isEmpty()) {
        action.accept(live.get(random.nextInt(live.size())));
      }
    }

    // ---- the driver

    void driverWrites(int from, int length) {
      for (int i = from; i < from + length; i++) {
        memory[i] = (byte) (DRIVERS | random.nextInt(128));
        lab.segment().set(ValueLayout.JAVA_BYTE, ma(i), memory[i]);
      }
    }

    void driverWritesSomewhere() {
      int from = random.nextInt(memory.length - 64);
      driverWrites(from, 1 + random.nextInt(64));
    }

    long ma(int offset) {
      return (mfns[offset / PAGE] << 12) + offset % PAGE;
    }

    byte[] driverMemory() {
      byte[] there = new byte[memory.length];
      for (int i = 0; i < there.length; i++) {
        there[i] = lab.segment().get(ValueLayout.JAVA_BYTE, ma(i));
      }
      return there;
    }

    void map() {
      int page = random.nextInt(PAGES);
      int inPage = random.nextInt(PAGE);
      int length = 1 + random.nextInt(Math.min(3 * PAGE, (PAGES - page) * PAGE - inPage));
      int pages = (inPage + length + PAGE - 1) / PAGE;
      if (live.stream()
          .anyMatch(each -> page < each.page + each.pages && each.page < page + pages)) {
        return; // what two mappings of one byte mean differs by mode
      }
      int permissions = 1 + random.nextInt(3);
      long at =
          pages == 1
              ? mode.map(lab.space, mfns[page], 1, permissions, Long.MAX_VALUE)
              : mode.map(lab.space, mfns, page, pages, permissions, Long.MAX_VALUE);
      if (at == DmaSpace.NO_MEMORY) {
        assertTrue(copies, "only buffers run out");
        return;
      }
      assertTrue(at > 0 && at % PAGE == 0);
      for (Mapping each : live) {
        assertTrue(
            at + pages * PAGE <= each.address - each.inPage
                || each.address - each.inPage + each.pages * PAGE <= at,
            "two mappings at one address");
      }
      Mapping mapping =
          new Mapping(at + inPage, page, inPage, length, pages, permissions, new byte[length]);
      live.add(mapping);
      if ((permissions & IoDomain.READ) != 0) {
        toDevice(mapping);
      }
    }

    int start(Mapping mapping) {
      return mapping.page * PAGE + mapping.inPage;
    }

    void toDevice(Mapping mapping) {
      mode.toDevice(lab.space, mapping.address, mapping.length);
      System.arraycopy(memory, start(mapping), mapping.shown, 0, mapping.length);
    }

    void fromDevice(Mapping mapping) {
      mode.fromDevice(lab.space, mapping.address, mapping.length);
      if (copies) {
        System.arraycopy(mapping.shown, 0, memory, start(mapping), mapping.length);
      }
    }

    void synchronise(Mapping mapping) {
      if ((mapping.permissions & IoDomain.WRITE) != 0) {
        fromDevice(mapping);
      } else {
        toDevice(mapping);
      }
      assertArrayEquals(memory, driverMemory());
    }

    void unmap(Mapping mapping) {
      if ((mapping.permissions & IoDomain.WRITE) != 0) {
        fromDevice(mapping);
      }
      mode.unmap(lab.space, mapping.address - mapping.inPage, mapping.pages);
      live.remove(mapping);
      ended.add(mapping);
      if (copies) {
        deviceSeesNothingOfTheDrivers(mapping);
      }
      assertArrayEquals(memory, driverMemory());
    }

    void settle() {
      mode.settle(lab.space);
      assertEquals(0, mode.open());
      for (Mapping mapping : ended) {
        for (int i = 0; i < mapping.pages && !copies; i++) {
          long page = mapping.address - mapping.inPage + (long) i * PAGE;
          if (live.stream().noneMatch(each -> covers(each, page))) {
            assertNotEquals(
                DmaPort.OK, lab.port.read(page, buffer, 0, 1), "reached after it was settled");
          }
        }
      }
      ended.clear();
    }

    private static boolean covers(Mapping mapping, long page) {
      long first = mapping.address - mapping.inPage;
      return page >= first && page < first + (long) mapping.pages * PAGE;
    }

    // ---- the device

    void deviceReads(Mapping mapping) {
      int result = lab.port.read(mapping.address, buffer, 0, mapping.length);
      boolean may = (mapping.permissions & IoDomain.READ) != 0;
      if (!copies) {
        assertEquals(may, result == DmaPort.OK);
      }
      if (result == DmaPort.OK) {
        byte[] seen = buffer.asSlice(0, mapping.length).toArray(ValueLayout.JAVA_BYTE);
        int from = start(mapping);
        assertArrayEquals(
            copies ? mapping.shown : Arrays.copyOfRange(memory, from, from + mapping.length), seen);
      }
      if (copies) {
        besideItNothingIsTheDrivers(mapping);
      }
    }

    void besideItNothingIsTheDrivers(Mapping mapping) {
      long first = mapping.address - mapping.inPage;
      int all = mapping.pages * PAGE;
      assertEquals(DmaPort.OK, lab.port.read(first, buffer, 0, all));
      for (int i = 0; i < all; i++) {
        boolean inside = i >= mapping.inPage && i < mapping.inPage + mapping.length;
        assertTrue(
            inside || buffer.get(ValueLayout.JAVA_BYTE, i) >= 0, "a neighbour's byte is shown");
      }
    }

    void deviceSeesNothingOfTheDrivers(Mapping mapping) {
      long first = mapping.address - mapping.inPage;
      int all = mapping.pages * PAGE;
      assertEquals(DmaPort.OK, lab.port.read(first, buffer, 0, all));
      for (int i = 0; i < all; i++) {
        assertTrue(buffer.get(ValueLayout.JAVA_BYTE, i) >= 0, "shown after unmapping");
      }
    }

    /** Somewhere in its mapping; where data is copied, anywhere in the pages it reaches. */
    void deviceWrites(Mapping mapping) {
      int size = copies ? mapping.pages * PAGE : mapping.length;
      long base = copies ? mapping.address - mapping.inPage : mapping.address;
      int from = random.nextInt(size);
      int length = 1 + random.nextInt(size - from);
      byte[] bytes = new byte[length];
      for (int i = 0; i < length; i++) {
        bytes[i] = (byte) random.nextInt(128);
      }
      int result = lab.port.write(base + from, MemorySegment.ofArray(bytes), 0, length);
      if (!copies) {
        assertEquals((mapping.permissions & IoDomain.WRITE) != 0, result == DmaPort.OK);
      }
      for (int i = 0; i < length && result == DmaPort.OK; i++) {
        int at = from + i - (copies ? mapping.inPage : 0);
        if (at >= 0 && at < mapping.length) {
          mapping.shown[at] = bytes[i];
          if (!copies) {
            memory[start(mapping) + at] = bytes[i];
          }
        }
      }
      assertArrayEquals(memory, driverMemory());
    }
  }
}
