package dev.domus.kernel.device;

import java.util.Optional;

/**
 * Something that an operator can say of a device when it is made.
 *
 * @param name lower case, words joined by hyphens
 * @param form what a value looks like, for messages and listings: {@code PATH}, {@code 1 … 16}
 * @param defaultText the value if none is given, as the operator would write it; empty if one must
 *     be given
 * @param description one line
 */
public record DeviceOption(
    String name, String form, Optional<String> defaultText, String description) {}
