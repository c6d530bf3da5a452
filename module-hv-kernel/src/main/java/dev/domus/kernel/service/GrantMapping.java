package dev.domus.kernel.service;

import dev.domus.memory.Window;

/** Granted frames, mapped. It keeps the frames from being taken back until it is closed. */
public interface GrantMapping extends AutoCloseable {
  /**
   * The frames' contents, one after another; revoked when the mapping is closed. Outlives the
   * granting domain: the frames are freed then.
   */
  Window window();

  /**
   * Closes the window and unmaps the grants as soon as nobody uses it; a second call does nothing.
   */
  @Override
  void close();
}
