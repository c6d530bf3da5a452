package dev.domus.kernel.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.RandomDistribution;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tag;
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
  private static final int STEPS = 400;

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
      tries = 150,
      seed = "1",
      shrinking = ShrinkingMode.BOUNDED,
      edgeCases = EdgeCasesMode.NONE)
  @PerProperty(Reached.class)
  void theMachineDoesWhatTheModelDoes(@ForAll("sequences") List<Step> steps) {
    run(steps);
  }

  @Property(tries = 3000, shrinking = ShrinkingMode.BOUNDED, edgeCases = EdgeCasesMode.NONE)
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

  @Provide
  Arbitrary<List<Step>> sequences() {
    return Steps.all()
        .list()
        .ofMinSize(1)
        .ofMaxSize(STEPS)
        .withSizeDistribution(RandomDistribution.uniform());
  }
}
