/**
 * What xenstore does: reads and changes under a caller's rights and quotas, transactions, watches,
 * and which domains it has been told of. Knows nothing of messages and rings. Start at {@link
 * dev.domus.xenstore.store.Store}.
 */
package dev.domus.xenstore.store;
