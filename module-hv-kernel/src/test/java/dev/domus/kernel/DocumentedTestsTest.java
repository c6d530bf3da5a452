package dev.domus.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The documents that say which test shows what name tests that there are. */
final class DocumentedTestsTest {
  private static final Path ROOT = Path.of(System.getProperty("domus.root"));
  private static final List<String> DOCUMENTS =
      List.of(
          "docs/SPECIFICATION.md",
          "docs/security/pv-mmu-advisories.md",
          "docs/security/iommu-pci-advisories.md");

  /** A class, perhaps with the last part of its package before it, and perhaps a method. */
  private static final Pattern NAME =
      Pattern.compile("`(?:[a-z0-9]+\\.)?([A-Z]\\w*(?:Test|Stress))(?:#(\\w+))?`");

  @Test
  void everyTestThatADocumentNamesExists() throws IOException {
    Map<String, Path> sources = sources();
    List<String> missing = new ArrayList<>();
    for (String document : DOCUMENTS) {
      List<MatchResult> names = names(document);
      assertTrue(names.size() > 20, () -> "names hardly a test: " + document);
      for (MatchResult name : names) {
        if (!exists(sources, name.group(1), name.group(2))) {
          missing.add(document + ": " + name.group());
        }
      }
    }
    assertEquals(List.of(), missing, "no such test");
  }

  private static List<MatchResult> names(String document) throws IOException {
    return NAME.matcher(Files.readString(ROOT.resolve(document))).results().toList();
  }

  private static boolean exists(Map<String, Path> sources, String type, String method)
      throws IOException {
    Path source = sources.get(type);
    if (source == null) {
      return false;
    }
    Pattern declared = Pattern.compile("(?:void|class) " + method + "\\b");
    return method == null || declared.matcher(Files.readString(source)).find();
  }

  /** Where each class is that could be a test. */
  private static Map<String, Path> sources() throws IOException {
    Map<String, Path> sources = new HashMap<>();
    Set<String> skipped = Set.of("target", ".git", "guest-kernels");
    Files.walkFileTree(
        ROOT,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes a) {
            boolean skip = skipped.contains(String.valueOf(directory.getFileName()));
            return skip ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes a) {
            String name = file.getFileName().toString();
            if (name.endsWith("Test.java") || name.endsWith("Stress.java")) {
              sources.put(name.substring(0, name.length() - ".java".length()), file);
            }
            return FileVisitResult.CONTINUE;
          }
        });
    return sources;
  }
}
