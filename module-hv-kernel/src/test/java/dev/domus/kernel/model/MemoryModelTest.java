package dev.domus.kernel.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.sched.SchedulerFactory;
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
 * Random sequences of all memory operations of three domains, one of which is privileged, with two
 * vCPUs each, through the hypercall entry, against a plain model of what each has to answer and do;
 * the whole frame table is compared and scanned after every step.
 *
 * <p>What is tried, and how often, is in {@link Steps}. The model is {@link MemoryModel}, and is
 * written from the ABI; {@link Twin} carries a step out on both and compares.
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
          "mmu_update for others",
          "mmu_update for IO",
          "mmu_update for XEN",
          "mmu_update of another's table",
          "update_va_mapping NONE",
          "update_va_mapping TLB_LOCAL",
          "update_va_mapping PAGE_LOCAL",
          "update_va_mapping TLB_ALL",
          "update_va_mapping PAGE_ALL",
          "update_va_mapping TLB_SET",
          "update_va_mapping PAGE_SET",
          "update_va_mapping for others",
          "update_va_mapping for IO",
          "update_va_mapping for XEN",
          "pin L1",
          "pin L2",
          "pin L3",
          "pin L4",
          "unpin",
          "pin L1 for others",
          "pin L4 for others",
          "clear_page for others",
          "copy_page for others",
          "new_baseptr",
          "new_user_baseptr",
          "set_ldt",
          "use of the LDT",
          "clear_page",
          "copy_page",
          "tlb_flush_local",
          "invlpg_local",
          "tlb_flush_multi",
          "invlpg_multi",
          "tlb_flush_all",
          "invlpg_all",
          "owed EVERYTHING",
          "owed PAGE",
          "owed ADDRESS_SPACE",
          "owed UNTRUE",
          "mmuext_op batch",
          "set_gdt",
          "update_descriptor",
          "vm_assist",
          "store to a table",
          "store to a page",
          "use of an address",
          "use of the M2P",
          "vcpu initialise",
          "populate_physmap",
          "increase_reservation",
          "decrease_reservation",
          "exchange",
          "populate_physmap for others",
          "decrease_reservation for others",
          "memory_op question",
          "memory_op question for others",
          "grant entry in use rewritten",
          "map_grant_ref an address",
          "map_grant_ref an entry",
          "map_grant_ref device",
          "map_grant_ref both parts",
          "map_grant_ref an address, batch",
          "unmap_grant_ref host",
          "unmap_grant_ref device",
          "unmap_grant_ref both parts",
          "unmap_grant_ref host, batch",
          "unmap_and_replace",
          "transfer",
          "grant copy",
          "swap_grant_ref",
          "I/O frame allowed",
          "I/O frame taken away",
          "window opened",
          "window closed",
          "death and rebuild");

  @Property(
      tries = 40,
      seed = "1",
      shrinking = ShrinkingMode.BOUNDED,
      edgeCases = EdgeCasesMode.NONE)
  @PerProperty(Reached.class)
  void theMachineDoesWhatTheModelDoes(@ForAll("sequences") List<Step> steps) {
    run(steps, TestSchedulers.roundRobin());
  }

  @Property(
      tries = 8,
      seed = "2",
      shrinking = ShrinkingMode.BOUNDED,
      edgeCases = EdgeCasesMode.NONE)
  @PerProperty(Preempted.class)
  void andTheSameWhereItIsPreemptedAllTheTime(@ForAll("sequences") List<Step> steps) {
    run(steps, TestSchedulers.impatient());
  }

  @Property(tries = 3000, shrinking = ShrinkingMode.BOUNDED, edgeCases = EdgeCasesMode.NONE)
  @Tag("long")
  void andForLonger(@ForAll("sequences") List<Step> steps) {
    run(steps, TestSchedulers.roundRobin());
  }

  @Property(tries = 500, shrinking = ShrinkingMode.BOUNDED, edgeCases = EdgeCasesMode.NONE)
  @Tag("long")
  void andPreemptedForLonger(@ForAll("sequences") List<Step> steps) {
    run(steps, TestSchedulers.impatient());
  }

  private static void run(List<Step> steps, SchedulerFactory scheduler) {
    try (Twin twin = new Twin(TALLY, scheduler)) {
      steps.forEach(twin::step);
      twin.end();
    }
  }

  /** Every class of operation has succeeded. */
  static final class Reached implements PerProperty.Lifecycle {
    @Override
    public void onSuccess() {
      assertEquals(List.of(), TALLY.without("done", EXPECTED), "never succeeded");
      assertEquals(List.of(), TALLY.without("true ones kept", List.of("owed UNTRUE")), "all lost");
    }
  }

  /** Calls that validate tables were preempted, and made again. */
  static final class Preempted implements PerProperty.Lifecycle {
    @Override
    public void onSuccess() {
      assertEquals(
          List.of(), TALLY.without("continued", List.of("hypercall 26 preempted")), "in one go");
    }
  }

  @AfterContainer
  static void report() {
    System.out.println("MemoryModelTest: " + TALLY);
    System.out.println(
        "CPU "
            + ProcessHandle.current().info().totalCpuDuration()
            + " test thread "
            + java.lang.management.ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime()
                / 1e9
            + " JIT ms "
            + java.lang.management.ManagementFactory.getCompilationMXBean()
                .getTotalCompilationTime()
            + " GC "
            + java.lang.management.ManagementFactory.getGarbageCollectorMXBeans().stream()
                .mapToLong(g -> g.getCollectionTime())
                .sum());
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
