/** Access policy by rules from a file. */
module dev.domus.policy.rules {
  requires dev.domus.kernel;

  provides dev.domus.kernel.access.AccessPolicyFactory with
      dev.domus.policy.rules.RulesFactory;
}
