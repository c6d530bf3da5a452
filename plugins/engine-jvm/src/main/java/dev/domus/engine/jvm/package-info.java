/**
 * The default engine: runs a vCPU's x86-64 instructions in pure Java, on any host that has a JVM.
 */
package dev.domus.engine.jvm;
