package dev.domus.kernel.model;

import static dev.domus.kernel.model.Arguments.any;
import static dev.domus.kernel.model.Arguments.descriptors;
import static dev.domus.kernel.model.Arguments.entry;
import static dev.domus.kernel.model.Arguments.fitting;
import static dev.domus.kernel.model.Arguments.flags;
import static dev.domus.kernel.model.Arguments.index;
import static dev.domus.kernel.model.Arguments.level;
import static dev.domus.kernel.model.Arguments.mostlySelf;
import static dev.domus.kernel.model.Arguments.named;
import static dev.domus.kernel.model.Arguments.of;
import static dev.domus.kernel.model.Arguments.others;
import static dev.domus.kernel.model.Arguments.owners;
import static dev.domus.kernel.model.Arguments.ref;
import static dev.domus.kernel.model.Arguments.role;
import static dev.domus.kernel.model.Arguments.slots;
import static dev.domus.kernel.model.Arguments.unused;
import static dev.domus.kernel.model.Arguments.va;
import static dev.domus.kernel.model.Arguments.where;

import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Tuple;

/** What is tried, and how often. */
final class Steps {
  private Steps() {}

  /** Any operation of any domain. What may be tried is put together once, not for each step. */
  static Arbitrary<Step> all() {
    return Arbitraries.oneOf(IntStream.range(0, Twin.DOMAINS).mapToObj(Steps::stepOf).toList());
  }

  private static Arbitrary<Step> stepOf(int d) {
    boolean privileged = d == Twin.PRIVILEGED;
    return Combinators.combine(
            Arbitraries.frequency(Tuple.of(3, 0), Tuple.of(1, 1)),
            Arbitraries.frequencyOf(
                Tuple.of(100, own(d)),
                Tuple.of(50, grant(d)),
                Tuple.of(privileged ? 60 : 5, foreign(d)),
                Tuple.of(12, touch(d)),
                Tuple.of(8, outside(d)),
                Tuple.of(4, initialise(d)),
                Tuple.of(1, Arbitraries.just(new OutsideStep.Rebuild(d)))))
        .as((vcpu, step) -> vcpu == 0 ? step : new Step.On(vcpu, step));
  }

  private static Arbitrary<Step> foreign(int d) {
    return Arbitraries.frequencyOf(
        Tuple.of(4, foreignUpdate(d)), Tuple.of(3, foreignVa(d)), Tuple.of(2, foreignExtended(d)));
  }

  private static Arbitrary<Step> own(int d) {
    return Arbitraries.frequencyOf(
        Tuple.of(30, mmuUpdate(d)),
        Tuple.of(14, updateVa(d)),
        Tuple.of(30, extended(d)),
        Tuple.of(2, ldt(d)),
        Tuple.of(4, role(d, 4).map(l4 -> new TableStep.Switch(d, l4))),
        Tuple.of(6, setGdt(d)),
        Tuple.of(8, descriptor(d)),
        Tuple.of(
            5, Arbitraries.of(0, 1, 511, 512, 1023, 8191).map(i -> new TableStep.UseLdt(d, i))),
        Tuple.of(3, assist(d)),
        Tuple.of(8, store(d)),
        Tuple.of(12, write(d)),
        Tuple.of(6, allocate(d)),
        Tuple.of(10, giveBack(d)),
        Tuple.of(5, exchange(d)),
        Tuple.of(1, question(d)));
  }

  // ---- tables

  private static Arbitrary<Step> mmuUpdate(int d) {
    Arbitrary<TableStep.Request> request =
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
                    .as(TableStep.Request::new));
    return Combinators.combine(mostlySelf(), mostlySelf(), request.list().ofMinSize(1).ofMaxSize(3))
        .as((tables, targets, requests) -> new TableStep.MmuUpdate(d, tables, targets, requests));
  }

  private static Arbitrary<Step> updateVa(int d) {
    return Combinators.combine(va(), entry(d, 1), Arbitraries.of(Step.Flush.class), mostlySelf())
        .as((va, entry, flush, owner) -> new TableStep.UpdateVa(d, va, entry, flush, owner));
  }

  private static Arbitrary<Step> extended(int d) {
    Arbitrary<Integer> commands =
        Arbitraries.frequencyOf(
            Tuple.of(12, Arbitraries.integers().between(0, 3)),
            Tuple.of(10, Arbitraries.just(4)),
            Tuple.of(6, Arbitraries.of(15, 16, 17, 13)),
            Tuple.of(5, Arbitraries.integers().between(6, 11)),
            Tuple.of(2, Arbitraries.integers().between(5, 22)));
    Arbitrary<TableStep.Request2> request =
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
                    new TableStep.Request2(command, frame, source, va, count)));
    return Combinators.combine(mostlySelf(), request.list().ofMinSize(1).ofMaxSize(2))
        .as((owner, requests) -> new TableStep.Extended(d, owner, requests));
  }

  /** An LDT where pages of descriptors are mapped. */
  private static Arbitrary<Step> ldt(int d) {
    return Combinators.combine(Arbitraries.of(24, 29), Arbitraries.of(2, 512, 1024))
        .as((page, count) ->
            new TableStep.Extended(
                d,
                Step.Whom.SELF,
                List.of(
                    new TableStep.Request2(
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
                .map(entries -> new TableStep.SetGdt(d, pages, entries)));
  }

  private static Arbitrary<Step> descriptor(int d) {
    return Combinators.combine(
            fitting(d, 5),
            index(1),
            Arbitraries.frequency(Tuple.of(12, 0), Tuple.of(1, 4)),
            descriptors())
        .as((page, index, off, word) -> new TableStep.Descriptor(d, page, index, off, word));
  }

  private static Arbitrary<Step> assist(int d) {
    return Combinators.combine(
            Arbitraries.frequency(Tuple.of(5, 0), Tuple.of(2, 1), Tuple.of(1, 2)),
            Arbitraries.frequency(Tuple.of(8, 2), Tuple.of(2, 32), Tuple.of(1, 6), Tuple.of(1, 64)))
        .as((command, type) -> new TableStep.Assist(d, command, type));
  }

  private static Arbitrary<Step> store(int d) {
    Arbitrary<Step.Va> pages =
        Arbitraries.frequencyOf(
                Tuple.of(6, Arbitraries.of(3, 20, 25, 30)),
                Tuple.of(2, Arbitraries.of(0, 1, 21, 26)))
            .map(i -> new Step.Va(0, 0, 0, i));
    return Combinators.combine(pages, index(1), entry(d, 1))
        .as((page, index, entry) -> new TableStep.Store(d, page, index, entry));
  }

  private static Arbitrary<Step> write(int d) {
    return level()
        .flatMap(level ->
            Combinators.combine(any(d), index(level), entry(d, level))
                .as((page, index, entry) -> new TableStep.Write(d, page, index, entry)));
  }

  // ---- reservations

  private static Arbitrary<Step> allocate(int d) {
    return Combinators.combine(
            whoseMemory(d),
            Arbitraries.of(true, true, false),
            Arbitraries.of(true, true, false),
            Arbitraries.integers().between(20, 60).list().ofMinSize(1).ofMaxSize(3),
            Arbitraries.frequency(Tuple.of(4, 0), Tuple.of(2, 1)))
        .as((owner, populate, listed, slots, order) ->
            new MemoryStep.Allocate(d, owner, populate, listed, slots, order));
  }

  private static Arbitrary<Step> giveBack(int d) {
    return whoseMemory(d)
        .flatMap(owner ->
            Combinators.combine(
                    unused(owner.domain(d)).list().ofMinSize(1).ofMaxSize(3),
                    Arbitraries.frequency(Tuple.of(6, 0), Tuple.of(1, 1)))
                .as((pages, order) -> new MemoryStep.GiveBack(d, owner, pages, order)));
  }

  private static Arbitrary<Step> exchange(int d) {
    return whoseMemory(d)
        .flatMap(owner ->
            Combinators.combine(
                    unused(owner.domain(d)).list().ofMinSize(1).ofMaxSize(4).uniqueElements(),
                    Arbitraries.frequency(Tuple.of(4, 0), Tuple.of(1, 1), Tuple.of(1, 2)),
                    Arbitraries.frequency(Tuple.of(4, 0), Tuple.of(2, 1), Tuple.of(1, 19)),
                    Arbitraries.integers().between(0, 4))
                .as((pages, inOrder, outOrder, outCount) -> {
                  int fitting = (pages.size() << inOrder) >> Math.min(outOrder, 2);
                  int count = outCount == 0 ? 1 : Math.min(fitting, 4);
                  return new MemoryStep.Exchange(d, owner, pages, inOrder, outOrder, count);
                }));
  }

  private static Arbitrary<Step> question(int d) {
    return Combinators.combine(Arbitraries.of(3, 4, 14), whoseMemory(d))
        .as((command, owner) -> new MemoryStep.Question(d, command, owner));
  }

  private static Arbitrary<Step.Whom> whoseMemory(int d) {
    return d == Twin.PRIVILEGED
        ? Arbitraries.frequencyOf(Tuple.of(1, mostlySelf()), Tuple.of(1, others()))
        : mostlySelf();
  }

  // ---- others' frames and tables

  private static Arbitrary<Step> foreignUpdate(int d) {
    return Combinators.combine(others(), owners(), Arbitraries.of(true, false))
        .flatAs((tables, targets, ownTables) ->
            request(d, ownTables ? Step.Whom.SELF : tables, targets)
                .list()
                .ofMinSize(1)
                .ofMaxSize(3)
                .map(requests ->
                    new TableStep.MmuUpdate(
                        d, ownTables ? Step.Whom.SELF : tables, targets, requests)));
  }

  private static Arbitrary<TableStep.Request> request(int d, Step.Whom tables, Step.Whom targets) {
    Arbitrary<Integer> commands =
        Arbitraries.frequency(Tuple.of(8, 0), Tuple.of(3, 1), Tuple.of(2, 2), Tuple.of(1, 3));
    return commands.flatMap(command ->
        command == 1
            ? Combinators.combine(of(targets, d), index(1), entry(d, 1))
                .as((frame, index, entry) -> new TableStep.Request(frame, index, command, entry))
            : Arbitraries.frequency(Tuple.of(4, 1), Tuple.of(1, 2), Tuple.of(1, 4))
                .flatMap(level ->
                    Combinators.combine(
                            Arbitraries.frequencyOf(
                                Tuple.of(2, Arbitraries.just(new At(tables.domain(d), 4 - level))),
                                Tuple.of(1, fitting(tables.domain(d), level))),
                            Arbitraries.frequencyOf(
                                Tuple.of(3, Arbitraries.integers().between(32, 39)),
                                Tuple.of(1, index(level))),
                            level == 1 ? leafOf(targets, d) : entry(tables.domain(d), level))
                        .as((table, index, entry) ->
                            new TableStep.Request(table, index, command, entry))));
  }

  private static Arbitrary<Entry> leafOf(Step.Whom owner, int d) {
    return Combinators.combine(
            of(owner, d), owner == Step.Whom.XEN ? Arbitraries.of(5L, 5L, 7L) : flags())
        .as(Entry::new);
  }

  private static Arbitrary<Step> foreignVa(int d) {
    Arbitrary<Step.Va> fresh =
        Arbitraries.integers().between(32, 39).map(i -> new Step.Va(0, 0, 0, i));
    return owners()
        .flatMap(owner ->
            Combinators.combine(
                    Arbitraries.frequencyOf(Tuple.of(4, fresh), Tuple.of(1, va())),
                    leafOf(owner, d),
                    Arbitraries.of(Step.Flush.class))
                .as((va, entry, flush) -> new TableStep.UpdateVa(d, va, entry, flush, owner)));
  }

  private static Arbitrary<Step> foreignExtended(int d) {
    return others()
        .flatMap(owner -> {
          int other = owner.domain(d);
          return Arbitraries.frequencyOf(
                  Tuple.of(4, Arbitraries.integers().between(0, 3)),
                  Tuple.of(4, Arbitraries.just(4)),
                  Tuple.of(3, Arbitraries.of(16, 17)),
                  Tuple.of(2, Arbitraries.integers().between(5, 21)))
              .flatMap(command ->
                  Combinators.combine(
                          command <= 3 ? fitting(other, command + 1) : any(other),
                          any(other),
                          va(),
                          Arbitraries.of(0, 1, 512))
                      .as((frame, source, va, count) ->
                          new TableStep.Request2(command, frame, source, va, count)))
              .list()
              .ofMinSize(1)
              .ofMaxSize(2)
              .map(requests -> new TableStep.Extended(d, owner, requests));
        });
  }

  // ---- vCPUs, processors, and what comes from outside

  private static Arbitrary<Step> initialise(int d) {
    return Combinators.combine(
            Arbitraries.frequencyOf(
                Tuple.of(3, Arbitraries.just(new At(d, 0))), Tuple.of(1, fitting(d, 4))),
            fitting(d, 4),
            Arbitraries.frequency(Tuple.of(3, false), Tuple.of(1, true)),
            fitting(d, 5),
            Arbitraries.frequency(Tuple.of(3, 0), Tuple.of(2, 512), Tuple.of(1, 7169)))
        .as((kernel, user, with, gdt, entries) ->
            new TableStep.Initialise(d, kernel, user, with, gdt, entries));
  }

  private static Arbitrary<Step> touch(int d) {
    return Combinators.combine(va(), Arbitraries.of(true, false))
        .as((va, write) -> new TableStep.Touch(d, va, write));
  }

  private static Arbitrary<Step> outside(int d) {
    Arbitrary<Boolean> either = Arbitraries.of(true, false);
    return Arbitraries.frequencyOf(
        Tuple.of(
            2,
            Combinators.combine(Arbitraries.integers().between(0, 2), either)
                .as((frame, allowed) -> new OutsideStep.IoRight(d, frame, allowed))),
        Tuple.of(
            3,
            Combinators.combine(Arbitraries.integers().between(0, 40), either)
                .as((pfn, writable) -> new OutsideStep.Open(d, pfn, writable))),
        Tuple.of(
            3, Arbitraries.integers().between(0, 3).map(which -> new OutsideStep.Close(d, which))));
  }

  // ---- grants

  private static Arbitrary<Step> grant(int d) {
    return Arbitraries.frequencyOf(
        Tuple.of(10, permit(d)),
        Tuple.of(16, mapGrant(d)),
        Tuple.of(12, unmap(d)),
        Tuple.of(4, replace(d)),
        Tuple.of(5, transfer(d)),
        Tuple.of(5, copy(d)),
        Tuple.of(1, Combinators.combine(ref(), ref()).as((a, b) -> new GrantStep.Swap(d, a, b))));
  }

  private static Arbitrary<Step> permit(int d) {
    return Combinators.combine(
            ref(),
            Arbitraries.frequency(
                Tuple.of(10, 1),
                Tuple.of(3, 1 | 4),
                Tuple.of(6, 2),
                Tuple.of(2, 0),
                Tuple.of(1, 3),
                Tuple.of(1, 1 | 8 | 16),
                Tuple.of(1, 1 | 256)),
            others(),
            Arbitraries.frequencyOf(
                Tuple.of(6, slots(d, 7, 14)),
                Tuple.of(2, any(d)),
                Tuple.of(1, slots(d, 0, ModelDomain.SLOTS - 1))))
        .as((ref, flags, grantee, frame) ->
            new GrantStep.Permit(d, ref < 512 ? ref : 5, flags, grantee, frame));
  }

  private static Arbitrary<Step> mapGrant(int d) {
    Arbitrary<Integer> flags =
        Combinators.combine(
                Arbitraries.frequency(
                    Tuple.of(10, 2), Tuple.of(2, 1), Tuple.of(3, 3), Tuple.of(1, 0)),
                Arbitraries.of(0, 4),
                Arbitraries.frequency(Tuple.of(4, 0), Tuple.of(1, 8), Tuple.of(1, 5 << 16)))
            .as((parts, readonly, more) -> parts | readonly | more);
    return Combinators.combine(named(), flags, where(d))
        .as(GrantStep.Mapping::new)
        .list()
        .ofMinSize(1)
        .ofMaxSize(2)
        .map(mappings -> new GrantStep.Map(d, mappings));
  }

  private static Arbitrary<GrantStep.Which> which() {
    return Combinators.combine(
            Arbitraries.frequencyOf(
                Tuple.of(12, Arbitraries.integers().between(0, 5)),
                Tuple.of(1, Arbitraries.just(-1))),
            Arbitraries.frequency(Tuple.of(8, true), Tuple.of(1, false)))
        .as(GrantStep.Which::new);
  }

  private static Arbitrary<Step> unmap(int d) {
    return Combinators.combine(
            which().list().ofMinSize(1).ofMaxSize(2),
            where(d),
            Arbitraries.frequency(Tuple.of(6, 1), Tuple.of(2, 2), Tuple.of(4, 3), Tuple.of(1, 0)),
            Arbitraries.frequency(Tuple.of(12, false), Tuple.of(1, true)))
        .as((which, otherwise, parts, wrong) ->
            new GrantStep.Unmap(d, which, otherwise, parts, wrong));
  }

  private static Arbitrary<Step> replace(int d) {
    return Combinators.combine(which(), where(d), va())
        .as((which, otherwise, source) -> new GrantStep.Replace(d, which, otherwise, source));
  }

  private static Arbitrary<Step> transfer(int d) {
    return Combinators.combine(unused(d), named())
        .as((frame, entry) -> new GrantStep.Transfer(d, frame, entry));
  }

  private static Arbitrary<Step> copy(int d) {
    return Combinators.combine(
            side(d), side(d), Arbitraries.frequency(Tuple.of(4, 64), Tuple.of(1, 4096)))
        .as((from, to, length) -> new GrantStep.Copy(d, from, to, length));
  }

  private static Arbitrary<GrantStep.Side> side(int d) {
    return Combinators.combine(
            named(),
            Arbitraries.frequency(Tuple.of(8, Step.Whom.SELF), Tuple.of(1, Step.Whom.OWN_ID)),
            any(d),
            Arbitraries.of(true, false),
            Arbitraries.frequency(Tuple.of(6, 0), Tuple.of(2, 64), Tuple.of(1, 4088)))
        .as(GrantStep.Side::new);
  }
}
