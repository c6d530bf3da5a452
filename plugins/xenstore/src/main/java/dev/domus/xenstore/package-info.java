/**
 * Xenstore: the tree of small values through which frontends and backends find each other
 * (xen-pv-abi.md, 15.1 to 15.4).
 *
 * <p>From the inside out: {@code tree} is what is kept, {@code store} what may be done with it and
 * who is told, {@code wire} the messages, {@code ring} the way by which guests send them. This
 * package holds the plugin itself and the connection of service domains. Start at {@link
 * dev.domus.xenstore.XenstoreService}.
 */
package dev.domus.xenstore;
