/**
 * What xenstore keeps: nodes with values, permissions and children, as an immutable tree that every
 * change replaces along one path. Knows nothing of connections, watches or messages. Start at
 * {@link dev.domus.xenstore.tree.Tree}.
 */
package dev.domus.xenstore.tree;
