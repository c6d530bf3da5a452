/**
 * A live view of the machine, as xentop gives one. {@link dev.domus.toolstack.top.TopSource} is
 * where figures come from: this process's machine, or whatever else can answer. Start at {@link
 * dev.domus.toolstack.top.TopView}.
 */
package dev.domus.toolstack.top;
