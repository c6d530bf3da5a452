/**
 * What instructions do: a class for each operation and form, and the tables that choose it. Start
 * at {@link dev.domus.engine.jvm.op.Lowering}; semantics shared by several forms are static methods
 * in {@code Arithmetic} and {@code Shifts}.
 */
package dev.domus.engine.jvm.op;
