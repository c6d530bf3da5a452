package dev.domus.toolstack.image;

/** Xen's ELF notes by number (xen-pv-abi.md, 2.2). */
enum NoteType {
  INFO(Kind.IGNORED),
  ENTRY(Kind.NUMBER),
  HYPERCALL_PAGE(Kind.NUMBER),
  VIRT_BASE(Kind.NUMBER),
  PADDR_OFFSET(Kind.NUMBER),
  XEN_VERSION(Kind.TEXT),
  GUEST_OS(Kind.TEXT),
  GUEST_VERSION(Kind.TEXT),
  LOADER(Kind.TEXT),
  PAE_MODE(Kind.IGNORED),
  FEATURES(Kind.TEXT),
  BSD_SYMTAB(Kind.TEXT),
  HV_START_LOW(Kind.IGNORED),
  L1_MFN_VALID(Kind.IGNORED),
  SUSPEND_CANCEL(Kind.IGNORED),
  INIT_P2M(Kind.NUMBER),
  MOD_START_PFN(Kind.NUMBER),
  SUPPORTED_FEATURES(Kind.IGNORED),
  PHYS32_ENTRY(Kind.IGNORED);

  /** How a note's descriptor is read. */
  enum Kind {
    /** A number of 1, 2, 4 or 8 bytes. */
    NUMBER,
    /** A text that ends with NUL. */
    TEXT,
    /** Of no meaning to the builder of a 64-bit PV domain. */
    IGNORED
  }

  private static final NoteType[] BY_NUMBER = values();

  private final Kind kind;

  NoteType(Kind kind) {
    this.kind = kind;
  }

  Kind kind() {
    return kind;
  }

  /**
   * The type with a number; numbers that this builder does not know are taken as INFO, which is
   * ignored too.
   */
  static NoteType of(long number) {
    return number >= 0 && number < BY_NUMBER.length ? BY_NUMBER[(int) number] : INFO;
  }
}
