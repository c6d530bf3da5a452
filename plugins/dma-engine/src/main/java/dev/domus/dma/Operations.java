package dev.domus.dma;

import dev.domus.iommu.DmaPort;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * What the engine can do, a descriptor at a time and each in pieces of {@value #PIECE} bytes, so
 * that whoever wants it stopped does not wait long. Allocates nothing once made.
 */
final class Operations {
  /**
   * Large enough that the call of the port is nothing beside the copy, small enough for a cache.
   */
  private static final int PIECE = 1 << 16;

  private static final ValueLayout.OfLong WORD =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final DmaPort dma;
  private final MemorySegment first = Arena.ofAuto().allocate(PIECE, 64);
  private final MemorySegment second = Arena.ofAuto().allocate(PIECE, 64);
  private final ByteBuffer firstBytes = first.asByteBuffer();
  private final CRC32C crc = new CRC32C();

  private int operation;
  private long source;
  private long destination;
  private long length;
  private long done;
  private long result;
  private int fault;

  Operations(DmaPort dma) {
    this.dma = dma;
  }

  /** Takes up a descriptor, if there is nothing wrong with it. */
  ErrorCode judge(MemorySegment descriptor) {
    operation = DescriptorLayout.operation(descriptor);
    source = DescriptorLayout.source(descriptor);
    destination = DescriptorLayout.destination(descriptor);
    length = DescriptorLayout.length(descriptor);
    done = 0;
    result = 0;
    fault = 0;
    if (operation >= Integer.SIZE || (DescriptorLayout.OPERATIONS & 1 << operation) == 0) {
      return ErrorCode.BAD_OPERATION;
    }
    if (!DescriptorLayout.reservedIsZero(descriptor)) {
      return ErrorCode.RESERVED_FIELD;
    }
    if (length == 0 || length > DescriptorLayout.MAX_LENGTH) {
      return ErrorCode.BAD_LENGTH;
    }
    if (operation != DescriptorLayout.FILL && wraps(source)
        || operation != DescriptorLayout.CRC32C && wraps(destination)) {
      return ErrorCode.BAD_ADDRESS;
    }
    switch (operation) {
      case DescriptorLayout.FILL -> fillFirst();
      case DescriptorLayout.CRC32C -> crc.reset();
      default -> {}
    }
    return ErrorCode.NONE;
  }

  private boolean wraps(long address) {
    return Long.compareUnsigned(address, address + length - 1) > 0;
  }

  private void fillFirst() {
    long bytes = Math.min(PIECE, length + Long.BYTES - 1 & -Long.BYTES);
    for (long at = 0; at < bytes; at += Long.BYTES) {
      first.set(WORD, at, source);
    }
  }

  boolean isDone() {
    return done == length;
  }

  /** RESULT of the descriptor. */
  long result() {
    return result;
  }

  /** Why memory refused; 0 if it has not. */
  int fault() {
    return fault;
  }

  /** Memory refused something else than a piece. */
  void fault(int reason) {
    fault = reason;
  }

  /** The next piece. */
  ErrorCode piece() {
    int bytes = (int) Math.min(PIECE, length - done);
    switch (operation) {
      case DescriptorLayout.COPY -> fault = dma.copy(source + done, destination + done, bytes);
      case DescriptorLayout.FILL -> fault = dma.write(destination + done, first, 0, bytes);
      case DescriptorLayout.CRC32C -> checksum(bytes);
      default -> compare(bytes);
    }
    if (fault != DmaPort.OK) {
      return ErrorCode.DMA_FAULT;
    }
    done += bytes;
    if (done == length && operation != DescriptorLayout.COMPARE) {
      result = operation == DescriptorLayout.CRC32C ? crc.getValue() : length;
    }
    return ErrorCode.NONE;
  }

  private void checksum(int bytes) {
    fault = dma.read(source + done, first, 0, bytes);
    if (fault == DmaPort.OK) {
      crc.update(firstBytes.clear().limit(bytes));
    }
  }

  private void compare(int bytes) {
    fault = dma.read(source + done, first, 0, bytes);
    if (fault == DmaPort.OK) {
      fault = dma.read(destination + done, second, 0, bytes);
    }
    if (fault == DmaPort.OK) {
      long same = MemorySegment.mismatch(first, 0, bytes, second, 0, bytes);
      result = done + (same < 0 ? bytes : same);
      if (same >= 0) {
        done = length - bytes; // the rest does not matter
      }
    }
  }
}
