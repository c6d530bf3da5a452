package dev.domus.kernel.device;

/** How a function interrupts: by messages of one of two kinds, or not at all. */
public enum InterruptKind {
  /** Not at all. */
  NONE(0),
  /** MSI: a few vectors, messages in configuration space, of which guests enable one. */
  MSI(32),
  /** MSI-X: many vectors, messages in a table in a base-address region, which the kernel keeps. */
  MSI_X(2048);

  private final int maxVectors;

  InterruptKind(int maxVectors) {
    this.maxVectors = maxVectors;
  }

  /** Most vectors that a function of this kind can have. */
  public int maxVectors() {
    return maxVectors;
  }
}
