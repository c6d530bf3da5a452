package dev.domus.console;

import java.util.List;
import java.util.Optional;

/**
 * The guests whose consoles one backend serves, and how it learns of them. Called with the
 * backend's monitor held or not.
 */
interface Guests {
  /**
   * Begins to listen.
   *
   * @param come called when guests may have come
   * @param go called when guests may have gone
   */
  void watch(Runnable come, Runnable go);

  /** The guests that there are, with or without a console. */
  List<Integer> present();

  /** The port of a guest's console, if this backend is to serve one. */
  Optional<Integer> port(int domid);

  /**
   * What tells a living guest from another of the same number; nothing if it is not there or being
   * destroyed.
   */
  Optional<String> incarnation(int domid);
}
