package dev.domus.toolstack.cli;

import picocli.CommandLine.IVersionProvider;

/** What {@code domus --version} prints. */
final class Version implements IVersionProvider {
  @Override
  public String[] getVersion() {
    return new String[] {"domus " + domus() + " (JVM " + Runtime.version() + ")"};
  }

  private static String domus() {
    Module module = Version.class.getModule();
    return module.isNamed()
        ? module.getDescriptor().rawVersion().orElse("unversioned")
        : "unversioned";
  }
}
