/**
 * Devices in the hands of drivers in service domains: what such a driver has registered, mapped and
 * bound, under which mode of protection, and how it is taken from him.
 *
 * <p>A guest's device reaches the guest's memory by machine address; its tables follow the memory
 * ({@link dev.domus.kernel.passthrough}). A service domain's device has an address space of its
 * own, in which its driver maps what one request needs. {@link dev.domus.kernel.driver.Drivers} is
 * the way in; {@link dev.domus.kernel.driver.OpenDevice} has the order of the end.
 */
package dev.domus.kernel.driver;
