/** The console backend: carries a guest's output out of its console ring, and its input in. */
package dev.domus.console;
