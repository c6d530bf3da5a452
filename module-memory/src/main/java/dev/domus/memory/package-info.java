/**
 * Machine memory: one reserved range of 4 KiB frames outside the Java heap, who owns each frame and
 * as what it is used, and the ways to reach it.
 *
 * <p>Start at {@link dev.domus.memory.MachineMemory}; {@link dev.domus.memory.FrameTable} keeps
 * owner, references and type of each frame, {@link dev.domus.memory.FrameAllocator} hands frames
 * out. Nothing here knows what a domain may do.
 */
package dev.domus.memory;
