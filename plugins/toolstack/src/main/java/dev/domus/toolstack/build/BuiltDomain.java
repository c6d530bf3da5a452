package dev.domus.toolstack.build;

/**
 * A domain that is built and still paused.
 *
 * @param domid its id
 * @param storeMfn machine frame of its xenstore ring
 * @param storePort its port for xenstore, for the store's domain to bind to
 * @param consoleMfn machine frame of its console ring
 * @param consolePort its port for the console
 */
public record BuiltDomain(
    int domid, long storeMfn, int storePort, long consoleMfn, int consolePort) {}
