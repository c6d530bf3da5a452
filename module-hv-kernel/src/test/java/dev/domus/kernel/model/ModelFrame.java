package dev.domus.kernel.model;

/** One machine frame as the model has it; frames that nobody owns are in no model. */
final class ModelFrame {
  static final int NONE = 0, L1 = 1, L4 = 4, SEGDESC = 5, WRITABLE = 6;

  final long mfn;
  int owner;

  /** Made by the hypervisor for its owner: shared info, grant table. Writable for good. */
  final boolean special;

  /** The words in it are the hypervisor's or the guest's stack: not compared. */
  final boolean opaque;

  boolean allocated = true, pinned;

  /** Its contents were found good; false while that is being looked at. */
  boolean settled;

  long references = 1, typeCount;
  int type, linear;

  /** What the M2P says. */
  long pfn = -1;

  /** Not to be written but by {@link #set}, {@link #fill} and {@link #load}: copies share it. */
  long[] words;

  private boolean shared;

  ModelFrame(long mfn, int owner, boolean special, boolean opaque) {
    this(mfn, owner, special, opaque, new long[512]);
  }

  private ModelFrame(long mfn, int owner, boolean special, boolean opaque, long[] words) {
    this.mfn = mfn;
    this.owner = owner;
    this.special = special;
    this.opaque = opaque;
    this.words = words;
  }

  ModelFrame copy() {
    ModelFrame f = new ModelFrame(mfn, owner, special, opaque, words);
    f.shared = true;
    shared = true;
    f.allocated = allocated;
    f.pinned = pinned;
    f.settled = settled;
    f.references = references;
    f.typeCount = typeCount;
    f.type = type;
    f.linear = linear;
    f.pfn = pfn;
    return f;
  }

  private void own() {
    if (shared) {
      words = words.clone();
      shared = false;
    }
  }

  void set(int index, long word) {
    if (words[index] != word) {
      own();
      words[index] = word;
    }
  }

  /** Takes all words over from elsewhere. */
  void fill(long[] from) {
    own();
    System.arraycopy(from, 0, words, 0, 512);
  }

  /** Says whether it is a good table or descriptor page, and used as one. */
  boolean isInUseAs(int wanted) {
    return typeCount > 0 && type == wanted && settled;
  }

  boolean isTableInUse() {
    return type >= L1 && type <= L4 && isInUseAs(type);
  }
}
