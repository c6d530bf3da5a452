/**
 * The interpreter: the running register file, blocks of decoded code and the protocol that keeps
 * them true to memory, the loop. Knows no instruction. Start at {@link
 * dev.domus.engine.jvm.interp.Interpreter}.
 */
package dev.domus.engine.jvm.interp;
