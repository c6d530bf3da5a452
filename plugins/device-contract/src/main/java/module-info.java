/** What every modelled device is tested with: a bus in software and an abstract test class. */
module dev.domus.device.contract {
  requires transitive dev.domus.kernel;
  requires transitive org.junit.jupiter.api;
  requires transitive net.jqwik.api;
  requires java.management;
  requires jdk.management;

  exports dev.domus.device.contract;
}
