package dev.domus.xenstore.tree;

import java.util.ArrayList;
import java.util.List;

/**
 * Who may do what with a node.
 *
 * <p>The first entry names the owner, who may do everything; its letter says what domains that are
 * not listed may do. Further entries give single domains rights. Domain 0 may do everything
 * everywhere.
 *
 * @param entries at least one
 */
public record Permissions(List<Entry> entries) {
  /** Most entries that the unprivileged may give a node, the owner's included. */
  public static final int MAX_ENTRIES = 5;

  private static final int READ = 1, WRITE = 2;
  private static final int HIGHEST_DOMID = 0x7FEF;

  /** Copies the list. */
  public Permissions {
    entries = List.copyOf(entries);
  }

  /** Nobody but the owner. */
  public static Permissions ownedBy(int domid) {
    return new Permissions(List.of(new Entry(domid, Right.NONE)));
  }

  /** What an entry grants. */
  public enum Right {
    /** Nothing. */
    NONE('n', 0),
    /** Reading. */
    READ('r', Permissions.READ),
    /** Writing. */
    WRITE('w', Permissions.WRITE),
    /** Both. */
    BOTH('b', Permissions.READ | Permissions.WRITE);

    private final char letter;
    private final int bits;

    Right(char letter, int bits) {
      this.letter = letter;
      this.bits = bits;
    }

    boolean covers(Right needed) {
      return (bits & needed.bits) == needed.bits;
    }
  }

  /**
   * One domain's rights.
   *
   * @param domid the domain
   * @param right what it may do
   */
  public record Entry(int domid, Right right) {
    /** Reads the wire's form, such as {@code r5}. */
    public static Entry parse(String text) {
      if (text.length() > 1 && text.length() <= 6) {
        for (Right right : Right.values()) {
          if (right.letter == text.charAt(0)) {
            return new Entry(domid(text), right);
          }
        }
      }
      throw malformed(text);
    }

    private static int domid(String text) {
      int domid = 0;
      for (int i = 1; i < text.length(); i++) {
        int digit = text.charAt(i) - '0';
        if (digit < 0 || digit > 9) {
          throw malformed(text);
        }
        domid = domid * 10 + digit;
      }
      if (domid > HIGHEST_DOMID) {
        throw malformed(text);
      }
      return domid;
    }

    private static RuntimeException malformed(String text) {
      return StoreError.EINVAL.because(
          "a permission is one of n, r, w, b and a domain id, such as r5: permission=" + text);
    }

    @Override
    public String toString() {
      return right.letter + Integer.toString(domid);
    }
  }

  /** Reads the wire's form, the owner first. */
  public static Permissions parse(List<String> texts) {
    if (texts.isEmpty()) {
      throw StoreError.EINVAL.because("a node needs an owner");
    }
    return new Permissions(texts.stream().map(Entry::parse).toList());
  }

  /** The wire's form. */
  public List<String> texts() {
    return entries.stream().map(Entry::toString).toList();
  }

  /** The owner. */
  public int owner() {
    return entries.getFirst().domid();
  }

  /** Says whether a caller owns the node or may act as if it did. */
  public boolean ownedBy(Caller caller) {
    return caller.privileged() || caller.is(owner());
  }

  /** Says whether a caller has a right. */
  public boolean allow(Caller caller, Right needed) {
    if (ownedBy(caller)) {
      return true;
    }
    for (Entry entry : entries.subList(1, entries.size())) {
      if (caller.is(entry.domid())) {
        return entry.right().covers(needed);
      }
    }
    return entries.getFirst().right().covers(needed);
  }

  /** The same with another owner. */
  public Permissions withOwner(int domid) {
    List<Entry> changed = new ArrayList<>(entries);
    changed.set(0, new Entry(domid, entries.getFirst().right()));
    return new Permissions(changed);
  }

  /** The same without what a domain had been given; its ownership stays. */
  public Permissions without(int domid) {
    List<Entry> left = new ArrayList<>();
    left.add(entries.getFirst());
    entries.stream().skip(1).filter(entry -> entry.domid() != domid).forEach(left::add);
    return left.size() == entries.size() ? this : new Permissions(left);
  }
}
