/** Domain 0's policy: domain builder, xl.cfg reader, life cycle, command line. */
module dev.domus.toolstack {
  requires dev.domus.kernel;
  requires info.picocli;
}
