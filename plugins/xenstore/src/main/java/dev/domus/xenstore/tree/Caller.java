package dev.domus.xenstore.tree;

/**
 * On whose behalf an operation runs.
 *
 * @param domid the domain
 * @param target a domain whose rights it also has (SET_TARGET), or its own id
 */
public record Caller(int domid, int target) {
  /** The domain that may do everything. */
  public static final int PRIVILEGED = 0;

  /** A domain that has its own rights only. */
  public static Caller of(int domid) {
    return new Caller(domid, domid);
  }

  /** Says whether permissions and quotas do not apply. */
  public boolean privileged() {
    return domid == PRIVILEGED;
  }

  /** Says whether a permission given to a domain is one of this caller's. */
  public boolean is(int other) {
    return domid == other || target == other;
  }
}
