package dev.domus.iommu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tag;
import net.jqwik.api.Tuple;

/**
 * Random sequences of map, unmap, withdraw, flush, attach, detach and accesses against maps that
 * know nothing of tables and caches.
 *
 * <p>What the model says of an access: the page's mapping now, or, after a withdrawal that no flush
 * has followed, perhaps an older one. After {@code unmap}, {@code flush}, attach and detach there
 * is no perhaps: this is where a stale translation shows.
 */
class IommuModelTest {
  private static final int FRAMES = 4096;

  /**
   * First frame and size of what is mapped: two runs of 2 MiB, aligned, and what is around them.
   */
  private static final int BASE = 512;

  private static final int MAPPABLE = 1024;
  private static final long FIRST_PAGE = (1L << 18) - 512;
  private static final int PAGES = 1536;

  private enum Kind {
    MAP,
    MAP_SCATTERED,
    UNMAP,
    WITHDRAW,
    FLUSH,
    ATTACH,
    DETACH,
    QUARANTINE,
    READ,
    WRITE
  }

  private record Step(
      Kind kind, int device, int domain, int page, int count, int frame, int access) {}

  private record Page(long mfn, int permissions) {}

  @Provide
  Arbitrary<List<Step>> steps() {
    Arbitrary<Kind> kinds =
        Arbitraries.frequency(
            Tuple.of(5, Kind.MAP),
            Tuple.of(2, Kind.MAP_SCATTERED),
            Tuple.of(4, Kind.UNMAP),
            Tuple.of(2, Kind.WITHDRAW),
            Tuple.of(1, Kind.FLUSH),
            Tuple.of(2, Kind.ATTACH),
            Tuple.of(1, Kind.DETACH),
            Tuple.of(1, Kind.QUARANTINE),
            Tuple.of(8, Kind.READ),
            Tuple.of(6, Kind.WRITE));
    Arbitrary<Integer> pages =
        Arbitraries.frequencyOf(
            Tuple.of(3, Arbitraries.integers().between(0, PAGES - 1)),
            Tuple.of(2, Arbitraries.of(0, 511, 512, 513, 1023, 1024)));
    Arbitrary<Integer> counts =
        Arbitraries.frequencyOf(
            Tuple.of(4, Arbitraries.integers().between(1, 8)),
            Tuple.of(1, Arbitraries.of(511, 512, 513, 1024)));
    return Combinators.combine(
            kinds,
            Arbitraries.integers().between(0, 2),
            Arbitraries.integers().between(0, 1),
            pages,
            counts,
            Arbitraries.frequencyOf(
                Tuple.of(1, Arbitraries.integers().between(0, MAPPABLE - 1)),
                Tuple.of(1, Arbitraries.of(0, 512))),
            Arbitraries.integers().between(1, 3))
        .as(Step::new)
        .list()
        .ofMinSize(20)
        .ofMaxSize(120);
  }

  @Property(
      tries = 250,
      seed = "1",
      shrinking = ShrinkingMode.BOUNDED,
      edgeCases = EdgeCasesMode.NONE)
  void devicesReachWhatTheModelSays(@ForAll("steps") List<Step> steps) {
    run(steps);
  }

  @Property(tries = 10_000, shrinking = ShrinkingMode.BOUNDED, edgeCases = EdgeCasesMode.NONE)
  @Tag("long")
  void andForLonger(@ForAll("steps") List<Step> steps) {
    run(steps);
  }

  private static void run(List<Step> steps) {
    try (TestMachine machine = new TestMachine(FRAMES, UnitSettings.usual())) {
      new Run(machine).all(steps);
    }
  }

  /** One sequence. */
  private static final class Run {
    private final TestMachine machine;
    private final IommuUnit unit;
    private final IoDomain[] domains = new IoDomain[2];
    private final DmaPort[] ports = new DmaPort[3];
    private final List<Map<Long, Page>> mapped = List.of(new HashMap<>(), new HashMap<>());

    /** What devices may still have of pages that were withdrawn since the last flush. */
    private final List<Map<Long, Set<Page>>> open = List.of(new HashMap<>(), new HashMap<>());

    /** By device: its domain, -1 none, -2 quarantine. */
    private final int[] attached = {-1, -1, -1};

    /** By frame: what is in its first word. */
    private final Map<Long, Long> contents = new HashMap<>();

    private final MemorySegment word = MemorySegment.ofArray(new long[1]);
    private final long tablesAtFirst;
    private long next = 1;

    Run(TestMachine machine) {
      this.machine = machine;
      unit = machine.unit;
      // The frames that are mapped are nobody's tables.
      while (machine.allocator.allocate(0, BASE + MAPPABLE - 1) != -1) {}
      tablesAtFirst = unit.tableFrames();
      for (int i = 0; i < domains.length; i++) {
        domains[i] = unit.newDomain(3 + i);
      }
      for (int i = 0; i < ports.length; i++) {
        ports[i] = unit.newPort(RequesterId.of(0, i, 0));
      }
      for (long mfn = BASE; mfn < BASE + MAPPABLE; mfn++) {
        machine.mark(mfn, -mfn);
        contents.put(mfn, -mfn);
      }
    }

    void all(List<Step> steps) {
      for (Step step : steps) {
        one(step);
      }
      for (int d = 0; d < domains.length; d++) {
        for (long page = FIRST_PAGE; page < FIRST_PAGE + PAGES; page++) {
          Page expected = mapped.get(d).get(page);
          long entry = expected == null ? 0 : expected.mfn << 12 | expected.permissions;
          assertEquals(entry, domains[d].lookup(page << 12), "page " + page);
        }
      }
      contents.forEach((mfn, value) -> assertEquals(value, machine.at(mfn << 12), "frame " + mfn));
      for (int device = 0; device < ports.length; device++) {
        unit.detach(RequesterId.of(0, device, 0));
      }
      for (IoDomain domain : domains) {
        domain.close();
      }
      assertTrue(unit.tableFrames() <= tablesAtFirst + 10, "context and scratch tables at most");
    }

    private void one(Step step) {
      IoDomain domain = domains[step.domain];
      Map<Long, Page> pages = mapped.get(step.domain);
      long first = FIRST_PAGE + step.page;
      int count = Math.min(step.count, PAGES - step.page);
      RequesterId device = RequesterId.of(0, step.device, 0);
      switch (step.kind) {
        case MAP -> {
          int fit = Math.min(count, MAPPABLE - step.frame);
          int result = domain.map(first << 12, BASE + step.frame, fit, step.access);
          mapInModel(step, first, fit, 1, result);
        }
        case MAP_SCATTERED -> {
          int fit = Math.min(count, 64);
          long[] mfns = new long[fit];
          Arrays.setAll(mfns, i -> BASE + (step.frame + 3L * i) % MAPPABLE);
          int result = domain.map(first << 12, mfns, 0, fit, step.access);
          mapInModel(step, first, fit, 3, result);
        }
        case UNMAP -> {
          assertEquals(remove(pages, first, count, null), domain.unmap(first << 12, count));
          Map<Long, Set<Page>> may = open.get(step.domain);
          for (long page = first; page < first + count; page++) {
            may.remove(page);
          }
        }
        case WITHDRAW ->
            assertEquals(
                remove(pages, first, count, open.get(step.domain)),
                domain.withdraw(first << 12, count));
        case FLUSH -> {
          domain.flush();
          open.get(step.domain).clear();
        }
        case ATTACH -> {
          unit.attach(device, domain);
          attached[step.device] = step.domain;
        }
        case DETACH -> {
          unit.detach(device);
          attached[step.device] = -1;
        }
        case QUARANTINE -> {
          unit.quarantine(device);
          attached[step.device] = -2;
        }
        case READ -> access(step, first, false);
        case WRITE -> access(step, first, true);
      }
    }

    private void mapInModel(Step step, long first, int count, int stride, int result) {
      Map<Long, Page> pages = mapped.get(step.domain);
      boolean occupied = false;
      for (long page = first; page < first + count; page++) {
        occupied |= pages.containsKey(page);
      }
      assertEquals(occupied ? IoDomain.OCCUPIED : IoDomain.OK, result);
      for (int i = 0; !occupied && i < count; i++) {
        pages.put(
            first + i, new Page(BASE + (step.frame + (long) stride * i) % MAPPABLE, step.access));
      }
    }

    private static long remove(
        Map<Long, Page> pages, long first, int count, Map<Long, Set<Page>> mayStay) {
      long removed = 0;
      for (long page = first; page < first + count; page++) {
        Page was = pages.remove(page);
        if (was != null) {
          removed++;
          if (mayStay != null) {
            mayStay.computeIfAbsent(page, any -> new HashSet<>()).add(was);
          }
        }
      }
      return removed;
    }

    /** One access to a page's first word, which must be by a mapping that the model allows. */
    private void access(Step step, long page, boolean write) {
      int at = attached[step.device];
      DmaPort port = ports[step.device];
      long value = next++;
      word.set(ValueLayout.JAVA_LONG, 0, value);
      int status = write ? port.write(page << 12, word, 0, 8) : port.read(page << 12, word, 0, 8);
      int need = write ? IoDomain.WRITE : IoDomain.READ;
      if (at < 0) {
        assertEquals(at == -2, status == DmaPort.OK, "nobody's device");
        return;
      }
      Page now = mapped.get(at).get(page);
      Set<Page> stale = open.get(at).getOrDefault(page, Set.of());
      if (status != DmaPort.OK) {
        assertEquals(write ? FaultReason.NO_WRITE.code() : FaultReason.NO_READ.code(), status);
        assertTrue(now == null || (now.permissions & need) == 0, "refused, but mapped");
        return;
      }
      if (write) {
        long hit =
            contents.keySet().stream()
                .filter(mfn -> machine.at(mfn << 12) == value)
                .findFirst()
                .orElseThrow();
        contents.put(hit, value);
        assertTrue(allowed(hit, now, stale, need), "written to frame " + hit);
      } else {
        long read = word.get(ValueLayout.JAVA_LONG, 0);
        assertTrue(
            contents.entrySet().stream()
                .anyMatch(
                    each -> each.getValue() == read && allowed(each.getKey(), now, stale, need)),
            "read what is not mapped");
      }
    }

    private static boolean allowed(long mfn, Page now, Set<Page> stale, int need) {
      return now != null && now.mfn == mfn && (now.permissions & need) != 0
          || stale.stream().anyMatch(page -> page.mfn == mfn && (page.permissions & need) != 0);
    }
  }
}
