/**
 * What a service domain can do: the hypercalls as typed Java calls under the domain's own identity,
 * event channels with handlers, grants as windows, and the few services that plugins offer one
 * another. Nothing here bypasses a check that a guest's hypercall would meet. Start at {@link
 * dev.domus.kernel.service.ServiceDomain}.
 */
package dev.domus.kernel.service;
