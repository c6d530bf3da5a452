package dev.domus.kernel.host;

import org.pf4j.PluginRuntimeException;

/**
 * A plugin cannot be used. The message is one line for people: what is wrong, with which jar, and
 * what would help. Unchecked and of PF4J's family, because it travels through PF4J's own methods.
 */
final class BrokenPlugin extends PluginRuntimeException {
  private static final long serialVersionUID = 1L;

  BrokenPlugin(String message) {
    super(message);
  }

  BrokenPlugin(String message, Throwable cause) {
    super(message);
    initCause(cause);
  }
}
