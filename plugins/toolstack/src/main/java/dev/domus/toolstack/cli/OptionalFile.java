package dev.domus.toolstack.cli;

import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.ImageFile;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A file that may have been given, open.
 *
 * @param file the file
 */
record OptionalFile(Optional<ImageFile> file) implements AutoCloseable {
  static OptionalFile open(Optional<Path> path) throws BadInputException {
    return new OptionalFile(
        path.isEmpty() ? Optional.empty() : Optional.of(ImageFile.open(path.get())));
  }

  @Override
  public void close() {
    file.ifPresent(ImageFile::close);
  }
}
