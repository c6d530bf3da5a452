/** Captures of what goes through interfaces, in files that Wireshark and tcpdump open. */
package dev.domus.net.capture;
