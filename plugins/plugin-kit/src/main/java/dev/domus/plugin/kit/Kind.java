package dev.domus.plugin.kit;

import java.util.Locale;
import java.util.Map;

/** What can be begun. */
enum Kind {
  /** A scheduler, its factory, and the contract's tests of it. */
  SCHEDULER(
      Map.of(
          "pom.xml", "pom.xml",
          "maven.config", ".mvn/maven.config",
          "gitignore", ".gitignore",
          "README.md", "README.md",
          "module-info.java", "src/main/java/module-info.java",
          "package-info.java", "src/main/java/@PATH@/package-info.java",
          "Factory.java", "src/main/java/@PATH@/@CLASS@Factory.java",
          "Scheduler.java", "src/main/java/@PATH@/@CLASS@Scheduler.java",
          "ContractTest.java", "src/test/java/@PATH@/@CLASS@ContractTest.java"));

  private final Map<String, String> files;

  Kind(Map<String, String> files) {
    this.files = files;
  }

  /** By which it is asked for, and the folder of its resources. */
  String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Where each resource goes. */
  Map<String, String> files() {
    return files;
  }
}
