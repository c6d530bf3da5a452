package dev.domus.kernel.service;

import dev.domus.memory.Window;

/** One granted frame, mapped. It keeps the frame from being taken back until it is closed. */
public interface GrantMapping extends AutoCloseable {
  /**
   * The frame's contents; revoked when the mapping is closed. Outlives the granting domain: the
   * frame is freed then.
   */
  Window window();

  /** Unmaps the grant and closes the window; a second call does nothing. */
  @Override
  void close();
}
