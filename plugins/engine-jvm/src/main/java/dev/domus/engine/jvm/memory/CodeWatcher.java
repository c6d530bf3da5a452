package dev.domus.engine.jvm.memory;

/** Who is told of stores to frames that hold decoded instructions. */
public interface CodeWatcher {
  /**
   * A store has hit a watched frame.
   *
   * @param ma machine address of the first byte stored
   * @param size bytes stored; they do not cross a frame
   */
  void storedToCode(long ma, int size);
}
