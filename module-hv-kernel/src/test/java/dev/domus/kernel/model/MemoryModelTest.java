package dev.domus.kernel.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.paging.Pte;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.RandomDistribution;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tag;
import net.jqwik.api.Tuple;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.PerProperty;

/**
 * Random sequences of all memory operations of two domains, through the hypercall entry, against a
 * plain model of what each has to answer and do; the whole frame table is compared and scanned
 * after every step.
 *
 * <p>Frames have preferred roles by their slot, so that most of what is tried is nearly right: from
 * {@link Twin#FIRST_TABLE_SLOT} on L1, L2, L3 and L4 tables and a page of descriptors in turn.
 */
class MemoryModelTest {
  private static final Tally TALLY = new Tally();
  private static final int STEPS = 150;

  /** Classes that have to succeed at times, or the sequences do not get where they should. */
  private static final List<String> EXPECTED =
      List.of(
          "mmu_update command 0",
          "mmu_update command 1",
          "mmu_update command 2",
          "mmu_update command 3",
          "mmu_update batch",
          "update_va_mapping NONE",
          "update_va_mapping TLB_LOCAL",
          "update_va_mapping PAGE_LOCAL",
          "update_va_mapping TLB_ALL",
          "update_va_mapping PAGE_ALL",
          "update_va_mapping TLB_SET",
          "update_va_mapping PAGE_SET",
          "pin L1",
          "pin L2",
          "pin L3",
          "pin L4",
          "unpin",
          "new_baseptr",
          "new_user_baseptr",
          "set_ldt",
          "use of the LDT",
          "clear_page",
          "copy_page",
          "tlb_flush_multi",
          "invlpg_multi",
          "mmuext_op batch",
          "set_gdt",
          "update_descriptor",
          "vm_assist",
          "store to a table",
          "store to a page",
          "populate_physmap",
          "increase_reservation",
          "decrease_reservation",
          "exchange",
          "memory_op question",
          "death and rebuild");

  @Property(
      tries = 400,
      seed = "1",
      shrinking = ShrinkingMode.BOUNDED,
      edgeCases = EdgeCasesMode.NONE)
  @PerProperty(Reached.class)
  void theMachineDoesWhatTheModelDoes(@ForAll("sequences") List<Step> steps) {
    run(steps);
  }

  @Property(tries = 4000, shrinking = ShrinkingMode.BOUNDED, edgeCases = EdgeCasesMode.NONE)
  @Tag("long")
  void andForLonger(@ForAll("sequences") List<Step> steps) {
    run(steps);
  }

  private static void run(List<Step> steps) {
    try (Twin twin = new Twin(TALLY)) {
      steps.forEach(twin::step);
      twin.end();
    }
  }

  /** Every class of operation has succeeded. */
  static final class Reached implements PerProperty.Lifecycle {
    @Override
    public void onSuccess() {
      assertEquals(List.of(), TALLY.without("done", EXPECTED), "never succeeded");
    }
  }

  @AfterContainer
  static void report() {
    System.out.println("MemoryModelTest: " + TALLY);
  }

  // ---- what is tried

  @Provide
  Arbitrary<List<Step>> sequences() {
    return step()
        .list()
        .ofMinSize(1)
        .ofMaxSize(STEPS)
        .withSizeDistribution(RandomDistribution.uniform());
  }

  private static Arbitrary<Integer> domain() {
    return Arbitraries.integers().between(0, Twin.DOMAINS - 1);
  }

  private static Arbitrary<Step> step() {
    return domain().flatMap(MemoryModelTest::stepOf);
  }

  private static Arbitrary<Step> stepOf(int d) {
    return Arbitraries.frequencyOf(
        Tuple.of(30, mmuUpdate(d)),
        Tuple.of(14, updateVa(d)),
        Tuple.of(30, extended(d)),
        Tuple.of(2, ldt(d)),
        Tuple.of(4, role(d, 4).map(l4 -> new Step.Switch(d, l4))),
        Tuple.of(6, setGdt(d)),
        Tuple.of(8, descriptor(d)),
        Tuple.of(5, Arbitraries.of(0, 1, 511, 512, 1023, 8191).map(i -> new Step.UseLdt(d, i))),
        Tuple.of(3, assist(d)),
        Tuple.of(8, store(d)),
        Tuple.of(12, write(d)),
        Tuple.of(6, allocate(d)),
        Tuple.of(6, giveBack(d)),
        Tuple.of(5, exchange(d)),
        Tuple.of(1, question(d)),
        Tuple.of(1, Arbitraries.just(new Step.Rebuild(d))));
  }

  // ---- frames and entries

  /** A frame in the role of a table of a level, or (5) of a page of descriptors. */
  private static Arbitrary<At> role(int d, int role) {
    return Arbitraries.integers()
        .between(0, role == 5 ? 2 : 3)
        .map(i -> new At(d, Twin.FIRST_TABLE_SLOT + role - 1 + 5 * i));
  }

  /** Any frame of the domain's, and now and then something else. */
  private static Arbitrary<At> any(int d) {
    return Arbitraries.frequencyOf(
        Tuple.of(12, slots(d, 7, ModelDomain.SLOTS - 1)),
        Tuple.of(2, slots(d, 0, 6)),
        Tuple.of(1, slots(1 - d, 0, ModelDomain.SLOTS)),
        Tuple.of(1, slots(d, At.SHARED_INFO, At.END - 1)));
  }

  private static Arbitrary<At> slots(int d, int first, int last) {
    return Arbitraries.integers().between(first, last).map(slot -> new At(d, slot));
  }

  private static Arbitrary<At> fitting(int d, int role) {
    return Arbitraries.frequencyOf(
        Tuple.of(7, role == 0 ? slots(d, 7, 19) : role(d, role)), Tuple.of(1, any(d)));
  }

  /** A frame that perhaps nothing refers to. */
  private static Arbitrary<At> unused(int d) {
    return Arbitraries.frequencyOf(
        Tuple.of(8, slots(d, Twin.FIRST_UNUSED_SLOT, Twin.FIRST_TABLE_SLOT - 1)),
        Tuple.of(2, slots(d, TinyMachine.GUEST_PAGES, ModelDomain.SLOTS - 1)),
        Tuple.of(1, any(d)));
  }

  private static Arbitrary<Integer> index(int level) {
    return Arbitraries.frequencyOf(
        Tuple.of(6, Arbitraries.integers().between(1, 3)),
        Tuple.of(level == 1 ? 8 : 2, Arbitraries.integers().between(7, 31)),
        Tuple.of(1, Arbitraries.of(0, 255, 256, 257, 271, 272, 511)));
  }

  private static Arbitrary<Long> flags() {
    return Arbitraries.frequencyOf(
        Tuple.of(8, Arbitraries.of(Pte.P | Pte.U, Pte.P | Pte.W | Pte.U, Pte.P | Pte.W, Pte.P)),
        Tuple.of(2, Arbitraries.of(0L, Pte.W)),
        Tuple.of(
            4,
            Arbitraries.of(
                    Pte.W, Pte.U, Pte.A, Pte.D, Pte.A | Pte.D, Pte.G, Pte.NX, 1L << 9, 1L << 52)
                .map(bit -> Pte.P | Pte.U | bit)),
        Tuple.of(1, Arbitraries.of(Pte.PS, 8L, 16L, Pte.G).map(bit -> Pte.P | Pte.U | bit)));
  }

  /** An entry for a table of a level: what belongs there, sometimes a linear one. */
  private static Arbitrary<Entry> entry(int d, int level) {
    if (level == 5) {
      return descriptors().map(Entry::word);
    }
    return Combinators.combine(
            Arbitraries.frequencyOf(
                Tuple.of(6, fitting(d, level - 1)), Tuple.of(level > 1 ? 2 : 1, fitting(d, level))),
            flags())
        .as(Entry::new);
  }

  private static Arbitrary<Integer> level() {
    return Arbitraries.frequencyOf(
        Tuple.of(4, Arbitraries.just(1)),
        Tuple.of(4, Arbitraries.integers().between(2, 4)),
        Tuple.of(2, Arbitraries.just(5)));
  }

  private static Arbitrary<Step.Va> va() {
    return Arbitraries.frequencyOf(
        Tuple.of(10, Arbitraries.integers().between(1, 31).map(i -> new Step.Va(0, 0, 0, i))),
        Tuple.of(
            3,
            Combinators.combine(
                    Arbitraries.of(0, 1, 2, 3),
                    Arbitraries.of(0, 1, 2, 3),
                    Arbitraries.of(0, 1, 2, 3),
                    Arbitraries.integers().between(0, 31))
                .as(Step.Va::new)),
        Tuple.of(1, Arbitraries.of(256, 271, 272, 255, 511).map(l4 -> new Step.Va(l4, 0, 0, 1))));
  }

  private static Arbitrary<Step.Whom> mostlySelf() {
    return Arbitraries.frequency(
        Tuple.of(24, Step.Whom.SELF),
        Tuple.of(1, Step.Whom.OWN_ID),
        Tuple.of(1, Step.Whom.NEIGHBOUR),
        Tuple.of(1, Step.Whom.NOBODY));
  }

  // ---- the operations

  private static Arbitrary<Step> mmuUpdate(int d) {
    Arbitrary<Step.Request> request =
        level()
            .flatMap(level ->
                Combinators.combine(
                        fitting(d, level),
                        index(level),
                        Arbitraries.frequency(
                            Tuple.of(12, 0),
                            Tuple.of(2, 1),
                            Tuple.of(4, 2),
                            Tuple.of(1, 3),
                            Tuple.of(1, 4)),
                        entry(d, level))
                    .as(Step.Request::new));
    return Combinators.combine(mostlySelf(), mostlySelf(), request.list().ofMinSize(1).ofMaxSize(3))
        .as((tables, targets, requests) -> new Step.MmuUpdate(d, tables, targets, requests));
  }

  private static Arbitrary<Step> updateVa(int d) {
    return Combinators.combine(va(), entry(d, 1), Arbitraries.of(Step.Flush.class), mostlySelf())
        .as((va, entry, flush, owner) -> new Step.UpdateVa(d, va, entry, flush, owner));
  }

  private static Arbitrary<Step> extended(int d) {
    Arbitrary<Integer> commands =
        Arbitraries.frequencyOf(
            Tuple.of(12, Arbitraries.integers().between(0, 3)),
            Tuple.of(10, Arbitraries.just(4)),
            Tuple.of(6, Arbitraries.of(15, 16, 17, 13)),
            Tuple.of(2, Arbitraries.integers().between(5, 22)));
    Arbitrary<Step.Request2> request =
        commands.flatMap(command ->
            Combinators.combine(
                    command <= 3
                        ? fitting(d, command + 1)
                        : command == 4
                            ? Arbitraries.integers().between(1, 4).flatMap(l -> fitting(d, l))
                            : command == 15 ? fitting(d, 4) : any(d),
                    any(d),
                    va(),
                    Arbitraries.of(0, 1, 512, 513, 1024, 8192, 8193))
                .as((frame, source, va, count) ->
                    new Step.Request2(command, frame, source, va, count)));
    return Combinators.combine(mostlySelf(), request.list().ofMinSize(1).ofMaxSize(2))
        .as((owner, requests) -> new Step.Extended(d, owner, requests));
  }

  /** An LDT where pages of descriptors are mapped. */
  private static Arbitrary<Step> ldt(int d) {
    return Combinators.combine(Arbitraries.of(24, 29), Arbitraries.of(2, 512, 1024))
        .as((page, count) ->
            new Step.Extended(
                d,
                Step.Whom.SELF,
                List.of(
                    new Step.Request2(
                        13, new At(d, 0), new At(d, 0), new Step.Va(0, 0, 0, page), count))));
  }

  private static Arbitrary<Step> setGdt(int d) {
    return fitting(d, 5)
        .list()
        .ofMinSize(1)
        .ofMaxSize(2)
        .flatMap(pages ->
            Arbitraries.frequency(
                    Tuple.of(8, pages.size() * 512 - 5),
                    Tuple.of(1, 0),
                    Tuple.of(1, 7169),
                    Tuple.of(1, -1))
                .map(entries -> new Step.SetGdt(d, pages, entries)));
  }

  private static Arbitrary<Long> descriptors() {
    long present = 1L << 47;
    return Arbitraries.of(
        0L,
        0x00CF9A00_0000FFFFL,
        0x00AFFB00_0000FFFFL,
        0x00CF9200_0000FFFFL,
        present | 12L << 40 | 0xE033L << 16 | 3L << 45,
        present | 12L << 40 | 0xE030L << 16,
        present | 12L << 40 | 8L << 16 | 2L << 45,
        present | 12L << 40 | 1L << 32,
        present | 9L << 40,
        present);
  }

  private static Arbitrary<Step> descriptor(int d) {
    return Combinators.combine(
            fitting(d, 5),
            index(1),
            Arbitraries.frequency(Tuple.of(12, 0), Tuple.of(1, 4)),
            descriptors())
        .as((page, index, off, word) -> new Step.Descriptor(d, page, index, off, word));
  }

  private static Arbitrary<Step> assist(int d) {
    return Combinators.combine(
            Arbitraries.frequency(Tuple.of(5, 0), Tuple.of(2, 1), Tuple.of(1, 2)),
            Arbitraries.frequency(Tuple.of(8, 2), Tuple.of(2, 32), Tuple.of(1, 6), Tuple.of(1, 64)))
        .as((command, type) -> new Step.Assist(d, command, type));
  }

  private static Arbitrary<Step> store(int d) {
    Arbitrary<Step.Va> pages =
        Arbitraries.frequencyOf(
                Tuple.of(6, Arbitraries.of(3, 20, 25, 30)),
                Tuple.of(2, Arbitraries.of(0, 1, 21, 26)))
            .map(i -> new Step.Va(0, 0, 0, i));
    return Combinators.combine(pages, index(1), entry(d, 1))
        .as((page, index, entry) -> new Step.Store(d, page, index, entry));
  }

  private static Arbitrary<Step> write(int d) {
    return level()
        .flatMap(level ->
            Combinators.combine(any(d), index(level), entry(d, level))
                .as((page, index, entry) -> new Step.Write(d, page, index, entry)));
  }

  private static Arbitrary<Step> allocate(int d) {
    return Combinators.combine(
            Arbitraries.of(true, true, false),
            Arbitraries.of(true, true, false),
            Arbitraries.integers().between(20, 60).list().ofMinSize(1).ofMaxSize(3),
            Arbitraries.frequency(Tuple.of(4, 0), Tuple.of(2, 1)))
        .as((populate, listed, slots, order) ->
            new Step.Allocate(d, populate, listed, slots, order));
  }

  private static Arbitrary<Step> giveBack(int d) {
    return Combinators.combine(
            unused(d).list().ofMinSize(1).ofMaxSize(3),
            Arbitraries.frequency(Tuple.of(6, 0), Tuple.of(1, 1)))
        .as((pages, order) -> new Step.GiveBack(d, pages, order));
  }

  private static Arbitrary<Step> exchange(int d) {
    return Combinators.combine(
            mostlySelf(),
            unused(d).list().ofMinSize(1).ofMaxSize(4).uniqueElements(),
            Arbitraries.frequency(Tuple.of(4, 0), Tuple.of(1, 1), Tuple.of(1, 2)),
            Arbitraries.frequency(Tuple.of(4, 0), Tuple.of(2, 1), Tuple.of(1, 19)),
            Arbitraries.integers().between(0, 4))
        .as((owner, pages, inOrder, outOrder, outCount) -> {
          int fitting = (pages.size() << inOrder) >> Math.min(outOrder, 2);
          int count = outCount == 0 ? 1 : Math.min(fitting, 4);
          return new Step.Exchange(d, owner, pages, inOrder, outOrder, count);
        });
  }

  private static Arbitrary<Step> question(int d) {
    return Combinators.combine(Arbitraries.of(3, 4, 14), mostlySelf())
        .as((command, owner) -> new Step.Question(d, command, owner));
  }
}
