/** What every scheduler is tested with: a simulator in virtual time and an abstract test class. */
module dev.domus.sched.contract {
  requires transitive dev.domus.kernel;
  requires transitive org.junit.jupiter.api;
  requires transitive net.jqwik.api;
  requires java.management;
  requires jdk.management;

  exports dev.domus.sched.contract;
}
