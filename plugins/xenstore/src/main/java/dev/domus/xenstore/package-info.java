/** Xenstore: the tree of small values through which frontends and backends find each other. */
package dev.domus.xenstore;
