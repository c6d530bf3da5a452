package dev.domus.plugin.kit;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A project that is to be written: texts with words like {@code @NAME@} in them, and what is put in
 * their places.
 */
final class Project {
  private final Map<String, String> words;

  /**
   * A project.
   *
   * @param name in lower case, words joined by hyphens
   */
  Project(String name, String javaPackage, Image image) {
    words =
        Map.of(
            "@NAME@", name,
            "@CLASS@", className(name),
            "@PACKAGE@", javaPackage,
            "@PATH@", javaPackage.replace('.', '/'),
            "@VERSION@", image.version(),
            "@REPOSITORY@", image.repository().toString());
  }

  /** {@code fair-share} becomes {@code FairShare}. */
  private static String className(String name) {
    return Arrays.stream(name.split("-"))
        .map(word -> Character.toUpperCase(word.charAt(0)) + word.substring(1))
        .collect(Collectors.joining());
  }

  /** Writes all of its files. */
  void write(Kind kind, Path folder) throws IOException {
    for (Map.Entry<String, String> file : kind.files().entrySet()) {
      Path target = folder.resolve(filledIn(file.getValue()));
      Files.createDirectories(target.toAbsolutePath().getParent());
      Files.writeString(target, filledIn(resource(kind.word() + "/" + file.getKey())));
    }
  }

  private static String resource(String name) throws IOException {
    try (InputStream in = Project.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new FileNotFoundException(name);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private String filledIn(String text) {
    String filled = text;
    for (Map.Entry<String, String> word : words.entrySet()) {
      filled = filled.replace(word.getKey(), word.getValue());
    }
    return filled;
  }
}
