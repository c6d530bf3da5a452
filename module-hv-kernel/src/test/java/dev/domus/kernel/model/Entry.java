package dev.domus.kernel.model;

import dev.domus.memory.paging.Pte;

/**
 * A page-table entry as steps name it, or any word.
 *
 * @param target null for a word that is no entry
 * @param flags all of the word then
 */
record Entry(At target, long flags) {
  private static final Object[][] NAMES = {
    {Pte.P, "P"}, {Pte.W, "W"}, {Pte.U, "U"}, {8L, "pwt"}, {16L, "pcd"}, {Pte.A, "A"},
    {Pte.D, "D"}, {Pte.PS, "PS"}, {Pte.G, "G"}, {1L << 9, "avl"}, {1L << 52, "gk"}, {Pte.NX, "NX"}
  };

  static Entry word(long word) {
    return new Entry(null, word);
  }

  long value(Twin twin) {
    return target == null ? flags : Pte.of(target.mfn(twin), flags);
  }

  @Override
  public String toString() {
    if (target == null) {
      return "0x" + Long.toHexString(flags);
    }
    StringBuilder text = new StringBuilder(target.toString()).append(' ');
    for (Object[] name : NAMES) {
      text.append((flags & (Long) name[0]) != 0 ? name[1] : "");
    }
    return text.toString();
  }
}
