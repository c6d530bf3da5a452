/** Domain 0's policy: how a domain is described, built, listed and taken down. */
package dev.domus.toolstack;
