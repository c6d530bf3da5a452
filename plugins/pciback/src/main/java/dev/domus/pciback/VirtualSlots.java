package dev.domus.pciback;

import dev.domus.iommu.RequesterId;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Where a guest sees its functions: on bus 0000:00, each as function 0 of a slot of its own, in the
 * order in which they came. A slot is used again when its function has gone. Not thread-safe.
 */
final class VirtualSlots {
  private final Map<Integer, RequesterId> slots = new TreeMap<>();

  /**
   * Gives a function a slot.
   *
   * @return the slot, or nothing if all are taken
   */
  Optional<Integer> add(RequesterId function) {
    for (int slot = 0; slot < RequesterId.DEVICES; slot++) {
      if (slots.putIfAbsent(slot, function) == null) {
        return Optional.of(slot);
      }
    }
    return Optional.empty();
  }

  void remove(RequesterId function) {
    slots.values().removeIf(function::equals);
  }

  /**
   * The function that a guest means.
   *
   * @param domain the segment
   * @param devfn slot and function
   */
  Optional<RequesterId> find(int domain, int bus, int devfn) {
    return domain == 0 && bus == 0 && devfn >= 0 && devfn % RequesterId.FUNCTIONS == 0
        ? Optional.ofNullable(slots.get(devfn / RequesterId.FUNCTIONS))
        : Optional.empty();
  }

  boolean isEmpty() {
    return slots.isEmpty();
  }

  /** The form that the store has: {@code 0000:00:SS.0}. */
  static String text(int slot) {
    return "0000:" + RequesterId.of(0, slot, 0);
  }
}
