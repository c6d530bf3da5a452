/**
 * From bytes to {@link dev.domus.engine.jvm.decode.Insn}: the one decoder, and the tables of what
 * follows which opcode. Knows nothing of memory or meaning. Start at {@link
 * dev.domus.engine.jvm.decode.Decoder}.
 */
package dev.domus.engine.jvm.decode;
