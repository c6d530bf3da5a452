/**
 * The kernel's front door: what starts the hypervisor. Mechanism lives in the packages below;
 * everything that decides something is a plugin behind an SPI.
 */
package dev.domus.kernel;
