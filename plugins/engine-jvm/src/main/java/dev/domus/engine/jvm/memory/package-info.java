/**
 * The guest's linear address space: software TLB, page walks, order and atomicity of accesses, data
 * breakpoints. The only package that touches machine memory. Start at {@link
 * dev.domus.engine.jvm.memory.LinearMemory}.
 */
package dev.domus.engine.jvm.memory;
