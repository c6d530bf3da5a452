/**
 * A guest from creation to its end: built, entered in xenstore, shown at a console, awaited,
 * destroyed. Start at {@link dev.domus.toolstack.life.Guest}.
 */
package dev.domus.toolstack.life;
