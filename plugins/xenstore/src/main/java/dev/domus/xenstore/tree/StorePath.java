package dev.domus.xenstore.tree;

/**
 * The name of a node, absolute and checked.
 *
 * <p>Names consist of letters, digits and {@code - / _ @}; there is no empty component and no slash
 * at the end, except that {@code /} is the root. A path that does not begin with a slash is
 * relative to {@code /local/domain/<own id>}. Names that begin with {@code @} are events that the
 * store makes up itself; they are not in the tree.
 *
 * @param text the absolute path, or the name of a special event
 */
public record StorePath(String text) {
  /** Longest absolute path, in bytes. */
  public static final int ABSOLUTE_MAX = 3072;

  /** Longest relative path, in bytes. */
  public static final int RELATIVE_MAX = 2048;

  /** The root. */
  public static final StorePath ROOT = new StorePath("/");

  /** Fires when the store has been told of a domain. */
  public static final StorePath INTRODUCE_DOMAIN = new StorePath("@introduceDomain");

  /** Fires when a domain has shut down, crashed, or gone. */
  public static final StorePath RELEASE_DOMAIN = new StorePath("@releaseDomain");

  private static final String[] NONE = {};

  /**
   * Checks a path of a node in the tree.
   *
   * @param text as the client wrote it
   * @param domid the client's domain, which relative paths are relative to
   */
  public static StorePath of(String text, int domid) {
    StorePath path = ofAny(text, domid);
    if (path.special()) {
      throw StoreError.EINVAL.because("not a node of the tree: path=" + text);
    }
    return path;
  }

  /** Checks a path that may also name a special event. */
  public static StorePath ofAny(String text, int domid) {
    if (isRelative(text)) {
      if (text.length() > RELATIVE_MAX) {
        throw StoreError.EINVAL.because("relative path too long: length=" + text.length());
      }
      return new StorePath(checked(home(domid) + "/" + text));
    }
    return new StorePath(checked(text));
  }

  /** Says whether a path as the client wrote it is relative to its domain's directory. */
  public static boolean isRelative(String text) {
    return text.isEmpty() || text.charAt(0) != '/' && text.charAt(0) != '@';
  }

  /** A domain's own directory. */
  public static String home(int domid) {
    return "/local/domain/" + domid;
  }

  private static String checked(String text) {
    int length = text.length();
    if (length > ABSOLUTE_MAX) {
      throw StoreError.EINVAL.because("path too long: length=" + length);
    }
    char before = 0;
    for (int i = 0; i < length; i++) {
      char c = text.charAt(i);
      if (!allowed(c) || c == '/' && before == '/') {
        throw StoreError.EINVAL.because("malformed path: path=" + text + " at=" + i);
      }
      before = c;
    }
    if (before == '/' && length > 1) {
      throw StoreError.EINVAL.because("path ends with a slash: path=" + text);
    }
    return text;
  }

  private static boolean allowed(char c) {
    return c >= 'a' && c <= 'z'
        || c >= 'A' && c <= 'Z'
        || c >= '0' && c <= '9'
        || c == '-'
        || c == '/'
        || c == '_'
        || c == '@';
  }

  /** Says whether this is an event and not a node. */
  public boolean special() {
    return text.charAt(0) == '@';
  }

  /** Says whether this is the root. */
  public boolean isRoot() {
    return text.length() == 1;
  }

  /** The names from the root's child down to this node; none for the root. */
  public String[] names() {
    return isRoot() ? NONE : text.substring(1).split("/");
  }

  /** The last name. */
  public String name() {
    return text.substring(text.lastIndexOf('/') + 1);
  }

  /** The node above; the root's is the root. */
  public StorePath parent() {
    int slash = text.lastIndexOf('/');
    return slash <= 0 ? ROOT : new StorePath(text.substring(0, slash));
  }

  /** The node above, or this one, to which so many names lead. */
  public StorePath ancestor(int depth) {
    int end = 0;
    for (int i = 0; i < depth; i++) {
      end = text.indexOf('/', end + 1);
      if (end < 0) {
        return this;
      }
    }
    return end == 0 ? ROOT : new StorePath(text.substring(0, end));
  }

  /** A node below this one. */
  public StorePath child(String name) {
    return new StorePath(isRoot() ? "/" + name : text + "/" + name);
  }

  @Override
  public String toString() {
    return text;
  }
}
