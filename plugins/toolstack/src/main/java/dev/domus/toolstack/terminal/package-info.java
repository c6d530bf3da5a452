/**
 * The user's terminal: raw while a guest's console is on it, and as it was before on every way out.
 * Start at {@link dev.domus.toolstack.terminal.ConsoleSession}.
 */
package dev.domus.toolstack.terminal;
