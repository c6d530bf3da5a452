package dev.domus.kernel.grant;

/** What somebody wants a grant for; not every entry is good for everything. */
enum Use {
  /** Mapping: entries that grant a whole page. */
  MAP,

  /** A copy: parts of a page too, and entries that pass another domain's grant on. */
  COPY,

  /**
   * The grant behind one that is passed on. It is the frame owner's own: chains of more than one
   * link are refused, so there are no loops either (XSA-226).
   */
  ORIGIN
}
