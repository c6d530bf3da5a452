package dev.domus.toolstack.demo;

/**
 * Whether a demo does what it should. Whatever does not is said at once and remembered; the demo
 * goes on, so that one sees how far it is off.
 */
final class Verdict {
  private final Stage stage;
  private boolean worked = true;
  private boolean complete = true;

  Verdict(Stage stage) {
    this.stage = stage;
  }

  /** Something could not be judged, and why: the host's doing, so no failure. */
  void abstain(String why) {
    complete = false;
    stage.line(why);
  }

  void fail(String what) {
    worked = false;
    stage.failure(what);
  }

  boolean worked() {
    return worked;
  }

  /** Whether everything could be judged. */
  boolean complete() {
    return complete;
  }
}
