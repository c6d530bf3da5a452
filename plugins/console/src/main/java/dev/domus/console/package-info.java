/**
 * The console backend: carries a guest's output out of its console ring, and its input in
 * (xen-pv-abi.md, 15.5).
 *
 * <p>Start at {@link dev.domus.console.ConsoleBackend} for how domains are found, at {@link
 * dev.domus.console.Console} for what happens to a byte.
 */
package dev.domus.console;
