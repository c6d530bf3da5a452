package dev.domus.toolstack.cli;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.service.HypercallException;
import dev.domus.toolstack.BadInputException;
import java.util.List;
import java.util.Optional;

/**
 * An access policy as the command line names it: {@code NAME}, or {@code NAME:ARGUMENT}.
 *
 * @param name one that is there
 * @param argument what it is to be made of
 */
record PolicyChoice(String name, Optional<String> argument) {
  /**
   * Reads it.
   *
   * @throws BadInputException if there is no such policy
   */
  static PolicyChoice parse(Host host, String text) throws BadInputException {
    int colon = text.indexOf(':');
    String name = colon < 0 ? text : text.substring(0, colon);
    List<String> names = host.policies().stream().map(Host.NamedPart::name).toList();
    if (!names.contains(name)) {
      throw new BadInputException(
          "--policy: there is no access policy "
              + BadInputException.quote(name)
              + "; there is "
              + String.join(", ", names));
    }
    return new PolicyChoice(
        name, colon < 0 ? Optional.empty() : Optional.of(text.substring(colon + 1)));
  }

  /**
   * Puts it in force.
   *
   * @throws BadInputException if it can make nothing of the argument
   */
  void apply(Control control) throws BadInputException {
    try {
      control.setAccessPolicy(name, argument);
    } catch (HypercallException refused) {
      if (refused.errno() != Errno.EINVAL) {
        throw refused;
      }
      throw new BadInputException("--policy: " + refused.getMessage());
    }
  }
}
