package dev.domus.kernel.access;

import java.util.Optional;
import org.pf4j.ExtensionPoint;

/**
 * Extension point: a kind of access policy. A plugin provides it in its module descriptor ({@code
 * provides dev.domus.kernel.access.AccessPolicyFactory with …}); it is made once a process by its
 * public no-argument constructor, and makes a policy each time that one is put in force.
 */
public interface AccessPolicyFactory extends ExtensionPoint {
  /** The name by which {@code --policy} chooses it: lower case, no blanks, no colon. */
  String name();

  /** One line for listings. */
  String description();

  /**
   * Makes a policy. Called outside all locks, while another policy is in force: does its slow work
   * here, such as reading files.
   *
   * @param argument what the user gave it, such as the name of a file with rules
   * @param builtIn the policy that holds where no other is set, for those who want to fall back on
   *     it; valid as long as the machine
   * @throws IllegalArgumentException if it can make nothing of the argument; the message is shown
   *     to the user
   */
  AccessPolicy create(Optional<String> argument, AccessPolicy builtIn);
}
