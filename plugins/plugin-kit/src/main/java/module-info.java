/** What plugins outside the tree are begun and built with: {@code domus plugin new}. */
module dev.domus.plugin.kit {
  requires dev.domus.kernel;
  requires info.picocli;

  provides dev.domus.kernel.plugin.Subcommand with
      dev.domus.plugin.kit.NewPluginSubcommand;

  // picocli fills in the fields of the command class.
  opens dev.domus.plugin.kit to
      info.picocli;
}
