/**
 * {@code domus bench}: measures the paths by which memory is made reachable, each beside its lower
 * bound in the same run, stores what it found, and writes one page about it.
 *
 * <p>A benchmark becomes part of it by the annotation {@link dev.domus.bench.MappingPath}, beside
 * the benchmark; nothing else has to be told. {@link dev.domus.bench.BenchCommand} is where to
 * start: {@link dev.domus.bench.Catalogue} knows the paths, {@link dev.domus.bench.Plan} what is to
 * be run, {@link dev.domus.bench.Session} runs it, {@link dev.domus.bench.RunFile} keeps it, {@link
 * dev.domus.bench.Comparison} sets two runs side by side, and {@link dev.domus.bench.HtmlReport}
 * shows one.
 */
package dev.domus.bench;
