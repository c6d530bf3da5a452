package dev.domus.kernel.servicedomain;

import dev.domus.kernel.plugin.Service;

/**
 * A service that was started.
 *
 * @param service the plugin's
 * @param domain where it runs
 */
public record RunningService(Service service, LocalServiceDomain domain) {}
