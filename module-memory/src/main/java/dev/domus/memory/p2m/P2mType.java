package dev.domus.memory.p2m;

/** What stands behind a guest frame. The ordinal is the code in {@link P2mEntry}. */
public enum P2mType {
  /** Nothing: an access faults. */
  NONE(false),

  /** Memory that may be read, written and executed. */
  RAM_RW(true),

  /** Memory that may be read and executed; a write faults. */
  RAM_RO(true),

  /** Frames of I/O space: uncached, never executed. They need not exist in the frame table. */
  MMIO(true),

  /** Memory that gets a frame, of zeros, when it is first touched. */
  POPULATE_ON_DEMAND(false),

  /** Writable memory whose first write is to be noted: reads pass, a write faults. */
  LOGGED_DIRTY(true);

  private static final P2mType[] BY_CODE = values();

  private final boolean hasFrame;

  P2mType(boolean hasFrame) {
    this.hasFrame = hasFrame;
  }

  /** Says whether entries of this type name a machine frame. */
  public boolean hasFrame() {
    return hasFrame;
  }

  static P2mType of(int code) {
    return BY_CODE[code];
  }
}
