/**
 * How guests reach xenstore: a ring in a page that each has granted, and the thread that serves all
 * rings. Everything read from a ring is a guest's word. Start at {@link
 * dev.domus.xenstore.ring.RingServer}.
 */
package dev.domus.xenstore.ring;
