/**
 * The machine's own console: what the hypervisor and privileged domains write, kept for whoever
 * reads it. Guests' consoles are rings, served by a backend.
 */
package dev.domus.kernel.console;
