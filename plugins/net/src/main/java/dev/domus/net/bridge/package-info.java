/**
 * Switches between guests, in this process: learning, with VLANs. Start at {@link
 * dev.domus.net.bridge.LearningSwitch}.
 */
package dev.domus.net.bridge;
