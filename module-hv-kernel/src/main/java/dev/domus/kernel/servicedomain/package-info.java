/**
 * What stands behind a service domain: its life, its hypercalls in their typed form, and the
 * registry by which services find one another. A typed call writes the ABI's arguments into a
 * buffer and goes through the hypercall table like a guest's. Start at {@link
 * dev.domus.kernel.servicedomain.LocalServiceDomain}.
 */
package dev.domus.kernel.servicedomain;
