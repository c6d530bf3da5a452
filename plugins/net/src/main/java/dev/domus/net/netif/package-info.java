/**
 * The rings of the PV network protocol, from the backend's side (public/io/netif.h of Xen 4.17;
 * xen-pv-abi.md, 15.6 and 15.8): what a guest sends, what it is given, and its control ring. Every
 * word of a guest's is read once and believed only within bounds. Start at {@link
 * dev.domus.net.netif.TxRing}.
 */
package dev.domus.net.netif;
