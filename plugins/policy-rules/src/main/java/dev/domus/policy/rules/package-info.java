/**
 * Access policy by rules from a file; the smallest complete example of the access policy SPI. Start
 * at {@link dev.domus.policy.rules.RuleFile}, which says what a file looks like.
 */
package dev.domus.policy.rules;
