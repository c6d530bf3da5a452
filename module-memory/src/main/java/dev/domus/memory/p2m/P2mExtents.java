package dev.domus.memory.p2m;

/** Told about a run of guest frames that are alike. */
@FunctionalInterface
public interface P2mExtents {
  /** Ignores all. */
  P2mExtents NOBODY = (gfn, count, type, mfn) -> {};

  /**
   * A maximal run with one type and, if entries of that type have frames, consecutive ones. Called
   * under the map's lock, in rising order; may look up, must not change.
   *
   * @param gfn the first guest frame
   * @param count how many
   * @param type never {@link P2mType#NONE}
   * @param mfn the first machine frame, 0 if there are none
   */
  void extent(long gfn, long count, P2mType type, long mfn);
}
