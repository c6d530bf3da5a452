package dev.domus.kernel.model;

import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.paging.Pte;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Tuple;

/**
 * What steps are made of: frames, entries, addresses, names of domains. Frames have preferred roles
 * by their slot, so that most of what is tried is nearly right: from {@link Twin#FIRST_TABLE_SLOT}
 * on L1, L2, L3 and L4 tables and a page of descriptors in turn.
 */
final class Arguments {
  private Arguments() {}

  /** A frame in the role of a table of a level, or (5) of a page of descriptors. */
  static Arbitrary<At> role(int d, int role) {
    return Arbitraries.integers()
        .between(0, 2)
        .map(i -> new At(d, Twin.FIRST_TABLE_SLOT + role - 1 + 5 * i));
  }

  /** Any frame of the domain's, and now and then something else. */
  static Arbitrary<At> any(int d) {
    return Arbitraries.frequencyOf(
        Tuple.of(12, slots(d, 7, ModelDomain.SLOTS - 1)),
        Tuple.of(2, slots(d, 0, 6)),
        Tuple.of(1, slots((d + 1) % Twin.DOMAINS, 0, ModelDomain.SLOTS)),
        Tuple.of(1, slots(d, At.SHARED_INFO, At.END - 1)));
  }

  static Arbitrary<At> slots(int d, int first, int last) {
    return Arbitraries.integers().between(first, last).map(slot -> new At(d, slot));
  }

  static Arbitrary<At> fitting(int d, int role) {
    return Arbitraries.frequencyOf(
        Tuple.of(7, role == 0 ? slots(d, 7, 19) : role(d, role)), Tuple.of(1, any(d)));
  }

  /** A frame that perhaps nothing refers to. */
  static Arbitrary<At> unused(int d) {
    return Arbitraries.frequencyOf(
        Tuple.of(8, slots(d, Twin.FIRST_UNUSED_SLOT, Twin.FIRST_TABLE_SLOT - 1)),
        Tuple.of(2, slots(d, TinyMachine.GUEST_PAGES, ModelDomain.SLOTS - 1)),
        Tuple.of(1, any(d)));
  }

  static Arbitrary<Integer> index(int level) {
    return Arbitraries.frequencyOf(
        Tuple.of(6, Arbitraries.integers().between(1, 3)),
        Tuple.of(level == 1 ? 8 : 2, Arbitraries.integers().between(7, 39)),
        Tuple.of(1, Arbitraries.of(0, 255, 256, 257, 271, 272, 511)));
  }

  static Arbitrary<Long> flags() {
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
  static Arbitrary<Entry> entry(int d, int level) {
    if (level == 5) {
      return descriptors().map(Entry::word);
    }
    return Combinators.combine(
            Arbitraries.frequencyOf(
                Tuple.of(6, fitting(d, level - 1)), Tuple.of(level > 1 ? 2 : 1, fitting(d, level))),
            flags())
        .as(Entry::new);
  }

  static Arbitrary<Integer> level() {
    return Arbitraries.frequencyOf(
        Tuple.of(4, Arbitraries.just(1)),
        Tuple.of(4, Arbitraries.integers().between(2, 4)),
        Tuple.of(2, Arbitraries.just(5)));
  }

  static Arbitrary<Step.Va> va() {
    return Arbitraries.frequencyOf(
        Tuple.of(10, Arbitraries.integers().between(1, 39).map(i -> new Step.Va(0, 0, 0, i))),
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

  static Arbitrary<Step.Whom> mostlySelf() {
    return Arbitraries.frequency(
        Tuple.of(24, Step.Whom.SELF),
        Tuple.of(1, Step.Whom.OWN_ID),
        Tuple.of(1, Step.Whom.NEIGHBOUR),
        Tuple.of(1, Step.Whom.NOBODY));
  }

  /** Somebody else, mostly. */
  static Arbitrary<Step.Whom> others() {
    return Arbitraries.frequency(
        Tuple.of(8, Step.Whom.NEIGHBOUR),
        Tuple.of(8, Step.Whom.THIRD),
        Tuple.of(1, Step.Whom.SELF),
        Tuple.of(1, Step.Whom.OWN_ID),
        Tuple.of(1, Step.Whom.NOBODY),
        Tuple.of(1, Step.Whom.IO),
        Tuple.of(1, Step.Whom.XEN));
  }

  /** Who may be named as owner of what a leaf maps. */
  static Arbitrary<Step.Whom> owners() {
    return Arbitraries.frequency(
        Tuple.of(6, Step.Whom.NEIGHBOUR),
        Tuple.of(6, Step.Whom.THIRD),
        Tuple.of(4, Step.Whom.IO),
        Tuple.of(5, Step.Whom.XEN),
        Tuple.of(2, Step.Whom.SELF));
  }

  /** A frame of whom a name names, as the domain calls it. */
  static Arbitrary<At> of(Step.Whom owner, int d) {
    return switch (owner) {
      case IO -> slots(d, At.IO, At.END - 1);
      case XEN -> slots(d, At.M2P, At.HYPERVISOR);
      default ->
          Arbitraries.frequencyOf(
              Tuple.of(6, slots(owner.domain(d), 7, 19)),
              Tuple.of(2, any(owner.domain(d))),
              Tuple.of(1, slots(owner.domain(d), At.SHARED_INFO, At.GRANTS)));
    };
  }

  /** Where a grant may be mapped: a page that has nothing better there, or an entry of a table. */
  static Arbitrary<GrantStep.Where> where(int d) {
    Arbitrary<Step.Va> fresh =
        Arbitraries.integers().between(32, 39).map(i -> new Step.Va(0, 0, 0, i));
    return Combinators.combine(
            Arbitraries.frequencyOf(Tuple.of(6, fresh), Tuple.of(1, va())),
            Arbitraries.frequencyOf(
                Tuple.of(3, Arbitraries.just(new At(d, 3))), Tuple.of(2, fitting(d, 1))),
            Arbitraries.frequencyOf(
                Tuple.of(4, Arbitraries.integers().between(32, 39)), Tuple.of(1, index(1))),
            Arbitraries.frequency(Tuple.of(2, false), Tuple.of(1, true)),
            Arbitraries.frequency(Tuple.of(24, 0), Tuple.of(1, 4)))
        .as(GrantStep.Where::new);
  }

  /** A grant: one that is made out to the caller, or any. */
  static Arbitrary<GrantStep.Named> named() {
    return Combinators.combine(
            others(),
            ref(),
            Arbitraries.frequencyOf(
                Tuple.of(5, Arbitraries.integers().between(0, 7)),
                Tuple.of(1, Arbitraries.just(-1))))
        .as(GrantStep.Named::new);
  }

  /** A reference; few, so that they meet. */
  static Arbitrary<Integer> ref() {
    return Arbitraries.frequencyOf(
        Tuple.of(20, Arbitraries.integers().between(1, 4)),
        Tuple.of(1, Arbitraries.of(0, 511, 512)));
  }

  static Arbitrary<Long> descriptors() {
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
}
