import dev.domus.kernel.plugin.CommandLine;

/** Domain 0's policy: domain builder, life cycle of guests, command line. */
module dev.domus.toolstack {
  requires dev.domus.kernel;
  requires info.picocli;
  requires jdk.jfr;
  requires tools.jackson.core;

  provides CommandLine with
      dev.domus.toolstack.cli.DomusCommandLine;

  // picocli fills in the fields of the command classes.
  opens dev.domus.toolstack.cli to
      info.picocli;
}
