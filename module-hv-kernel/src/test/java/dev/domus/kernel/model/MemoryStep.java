package dev.domus.kernel.model;

import static dev.domus.kernel.abi.HypercallNumber.MEMORY_OP;

import java.util.List;

/** Reservations. */
sealed interface MemoryStep extends Step {
  /** What the report calls an operation on somebody's memory. */
  private static String of(String operation, Whom owner) {
    return owner.isSelf() ? operation : operation + " for others";
  }

  /** increase_reservation, or populate_physmap. */
  record Allocate(
      int domain, Whom owner, boolean populate, boolean listed, List<Integer> slots, int order)
      implements MemoryStep {
    @Override
    public void run(Twin twin) {
      for (int i = 0; i < slots.size(); i++) {
        twin.put(domain, Twin.LIST + 8L * i, slots.get(i));
      }
      long list = listed || populate ? Twin.LIST : 0;
      if (list == 0 && !slots.isEmpty() && twin.room(owner.domain(domain)) > 0) {
        return; // where the frames are would not be known
      }
      long actual = twin.reservation(domain, owner, populate ? 6 : 0, list, slots.size(), order);
      long expected =
          twin.model()
              .reservations
              .allocate(
                  twin.domid(domain),
                  owner.id(twin, domain),
                  populate,
                  list,
                  slots.size(),
                  order,
                  i -> twin.stored(domain, Twin.LIST + 8 * i));
      String name = populate ? "populate_physmap" : "increase_reservation";
      twin.same(MemoryStep.of(name, owner), expected, actual, expected == 0 ? "nothing" : "done");
    }
  }

  /** decrease_reservation. */
  record GiveBack(int domain, Whom owner, List<At> pages, int order) implements MemoryStep {
    @Override
    public void run(Twin twin) {
      for (int i = 0; i < pages.size(); i++) {
        twin.put(domain, Twin.LIST + 8L * i, pages.get(i).mfn(twin));
      }
      long actual = twin.reservation(domain, owner, 1, Twin.LIST, pages.size(), order);
      long expected =
          twin.model()
              .reservations
              .decrease(twin.domid(domain), owner.id(twin, domain), Twin.LIST, pages.size(), order);
      String name = MemoryStep.of("decrease_reservation", owner);
      twin.same(name, expected, actual, expected == 0 ? "nothing" : "done");
    }
  }

  /** exchange. */
  record Exchange(int domain, Whom owner, List<At> pages, int inOrder, int outOrder, int outCount)
      implements MemoryStep {
    @Override
    public void run(Twin twin) {
      for (int i = 0; i < 4; i++) {
        twin.put(domain, Twin.OUT_LIST + 8L * i, 200 + 2 * i);
        if (i < pages.size()) {
          twin.put(domain, Twin.LIST + 8L * i, pages.get(i).mfn(twin));
        }
      }
      long whose = owner.id(twin, domain);
      long[] words = {
        Twin.LIST, pages.size(), inOrder, whose, Twin.OUT_LIST, outCount, outOrder, whose, 0
      };
      for (int i = 0; i < words.length; i++) {
        twin.put(domain, Twin.ARGUMENTS + 8L * i, words[i]);
      }
      long actual = twin.call(domain, MEMORY_OP, 11, Twin.ARGUMENTS);
      ReservationModel.Exchange x =
          new ReservationModel.Exchange(
              Twin.LIST, pages.size(), inOrder, Twin.OUT_LIST, outCount, outOrder);
      long expected =
          twin.model()
              .reservations
              .exchange(
                  twin.domid(domain),
                  (int) whose,
                  x,
                  Twin.ARGUMENTS + 64,
                  i -> twin.stored(domain, Twin.OUT_LIST + 8 * i));
      twin.same(MemoryStep.of("exchange", owner), expected, actual);
    }
  }

  /** Questions about the reservation. */
  record Question(int domain, int command, Whom owner) implements MemoryStep {
    @Override
    public void run(Twin twin) {
      int whose = owner.id(twin, domain);
      twin.put(domain, Twin.ARGUMENTS, whose);
      long actual = twin.call(domain, MEMORY_OP, command, Twin.ARGUMENTS);
      twin.same(
          MemoryStep.of("memory_op question", owner),
          twin.model().reservations.question(twin.domid(domain), command, whose),
          actual);
    }
  }
}
