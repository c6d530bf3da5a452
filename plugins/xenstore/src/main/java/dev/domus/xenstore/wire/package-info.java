/**
 * The messages of xenstore: their layout, and what each request asks of the store. Knows nothing of
 * how messages travel. Start at {@link dev.domus.xenstore.wire.Requests}.
 */
package dev.domus.xenstore.wire;
