package dev.domus.kernel.service;

import dev.domus.memory.Window;

/** One granted frame, mapped. It keeps the frame from being taken back until it is closed. */
public interface GrantMapping extends AutoCloseable {
  /** The frame's contents; closed with the mapping, or when the granting domain is destroyed. */
  Window window();

  /** Unmaps the grant and closes the window; a second call does nothing. */
  @Override
  void close();
}
