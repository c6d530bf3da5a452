package dev.domus.kernel.model;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * What domains may have in their page tables besides frames of their own and grants, by what they
 * asked for and not by what the model made of it: frames that a privileged domain has mapped by
 * their owner's name, for itself or for others, and I/O frames that they had the right to once.
 */
final class Rights {
  /** By domain: frames, and who owned them then. */
  private final Map<Integer, Map<Long, Integer>> foreign = new TreeMap<>();

  private final Map<Integer, Set<Long>> io = new HashMap<>();

  /** Says whether a right has ended with its frame's owner. */
  interface Ended {
    boolean test(long mfn, int owner);
  }

  void allow(int domid, long mfn, int owner) {
    foreign.computeIfAbsent(domid, d -> new TreeMap<>()).put(mfn, owner);
  }

  void allowIo(int domid, long mfn) {
    io.computeIfAbsent(domid, d -> new HashSet<>()).add(mfn);
  }

  /** Forgets those of frames that are another's by now. */
  void forget(Ended ended) {
    for (Map<Long, Integer> frames : foreign.values()) {
      frames.entrySet().removeIf(e -> ended.test(e.getKey(), e.getValue()));
    }
  }

  /** Frames that a domain may have mapped, by its id. */
  Map<Integer, Set<Long>> mapped() {
    Map<Integer, Set<Long>> frames = new TreeMap<>();
    foreign.forEach((domid, those) -> frames.put(domid, those.keySet()));
    return frames;
  }

  Map<Integer, Set<Long>> io() {
    return io;
  }
}
