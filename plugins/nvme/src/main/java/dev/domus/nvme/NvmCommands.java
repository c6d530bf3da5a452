package dev.domus.nvme;

import dev.domus.iommu.DmaPort;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The commands of the NVM command set (6): one worker's way to the disk.
 *
 * <p>Data go through the worker's buffer: the port gives no pointers into memory, because what is
 * behind an address may be taken away at any time, and a host's read could not be stopped then. So
 * a block is copied once by the host and once by the port. Nothing is allocated.
 *
 * <p>Commands that write are done in the order check, data, disk: one that fails has written
 * nothing, unless the disk fails.
 */
final class NvmCommands {
  private static final int FLUSH = 0x00,
      WRITE = 0x01,
      READ = 0x02,
      COMPARE = 0x05,
      WRITE_ZEROES = 0x08,
      DATASET_MANAGEMENT = 0x09;

  /** Bit of dword 12: force unit access; of Write Zeroes: deallocate. */
  private static final int FUA = 1 << 30, DEALLOCATE = 1 << 25;

  /** Bit of dword 11 of Dataset Management. */
  private static final int ATTRIBUTE_DEALLOCATE = 1 << 2;

  private static final int RANGE_BYTES = 16;
  private static final int UNIT_SHIFT = 9;
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final QueueWorker worker;
  private final Namespace namespace;
  private final Disk disk;
  private final Counters counters;
  private final Prps prps;
  private final ByteBuffer diskBuffer = ByteBuffer.allocateDirect(Prps.MAX_BYTES);
  private final MemorySegment data = MemorySegment.ofBuffer(diskBuffer);
  private final MemorySegment guestData =
      MemorySegment.ofBuffer(ByteBuffer.allocateDirect(Prps.MAX_BYTES));

  NvmCommands(QueueWorker worker, DmaPort dma, Namespace namespace, Counters counters) {
    this.worker = worker;
    this.namespace = namespace;
    this.disk = namespace.disk();
    this.counters = counters;
    prps = new Prps(dma);
  }

  /** Does a command; a status, or {@link Status#NONE} if the session ended meanwhile. */
  int execute(MemorySegment command, Session session) {
    int opcode = CommandLayout.opcode(command);
    int id = CommandLayout.namespace(command);
    if (CommandLayout.isFusedOrHasSgl(command)) {
      return Status.INVALID_FIELD;
    }
    if (!isKnown(opcode)) {
      return Status.INVALID_OPCODE;
    }
    if (id != Namespace.ID && !(opcode == FLUSH && id == CommandLayout.ALL_NAMESPACES)) {
      return Status.INVALID_NAMESPACE;
    }
    try {
      return switch (opcode) {
        case FLUSH -> flush(session);
        case DATASET_MANAGEMENT -> manage(command, session);
        default -> onBlocks(opcode, command, session);
      };
    } catch (IOException e) {
      Counters.add(counters.mediaErrors, 1);
      return opcode == READ || opcode == COMPARE ? Status.UNRECOVERED_READ : Status.WRITE_FAULT;
    }
  }

  private static boolean isKnown(int opcode) {
    return switch (opcode) {
      case FLUSH, WRITE, READ, COMPARE, WRITE_ZEROES, DATASET_MANAGEMENT -> true;
      default -> false;
    };
  }

  private int onBlocks(int opcode, MemorySegment command, Session session) throws IOException {
    long first = CommandLayout.firstBlock(command);
    int blocks = CommandLayout.blocks(command);
    long bytes = (long) blocks << namespace.blockOrder();
    if (opcode != WRITE_ZEROES && bytes > Prps.MAX_BYTES) {
      return Status.INVALID_FIELD; // MDTS
    }
    if (namespace.isOutOfRange(first, blocks)) {
      return Status.LBA_OUT_OF_RANGE;
    }
    if ((opcode == WRITE || opcode == WRITE_ZEROES) && disk.isReadOnly()) {
      return Status.WRITE_PROTECTED;
    }
    long at = namespace.offset(first);
    boolean through =
        (CommandLayout.dword(command, 12) & FUA) != 0 || !session.features.hasWriteCache();
    if (opcode == WRITE_ZEROES) {
      return writeZeroes(command, at, bytes, through, session);
    }
    int status = prps.follow(CommandLayout.prp1(command), CommandLayout.prp2(command), (int) bytes);
    if (status != Status.SUCCESS) {
      return status;
    }
    return switch (opcode) {
      case READ -> read(at, (int) bytes, session);
      case WRITE -> write(at, (int) bytes, through, session);
      default -> compare(at, (int) bytes, session);
    };
  }

  private int read(long at, int bytes, Session session) throws IOException {
    if (!readDisk(at, bytes, session)) {
      return Status.NONE;
    }
    return prps.write(data);
  }

  /** Reads into the buffer, letting a reset pass: false if one did. */
  private boolean readDisk(long at, int bytes, Session session) throws IOException {
    worker.stepOut();
    try {
      disk.read(diskBuffer.clear().limit(bytes), at);
    } finally {
      worker.stepIn();
    }
    Counters.add(counters.reads, 1);
    Counters.add(counters.unitsRead, bytes >>> UNIT_SHIFT);
    return session.isOn();
  }

  private int write(long at, int bytes, boolean through, Session session) throws IOException {
    int status = prps.read(data);
    if (status != Status.SUCCESS) {
      return status;
    }
    disk.write(diskBuffer.clear().limit(bytes), at);
    Counters.add(counters.writes, 1);
    Counters.add(counters.unitsWritten, bytes >>> UNIT_SHIFT);
    return through ? flush(session) : Status.SUCCESS;
  }

  private int compare(long at, int bytes, Session session) throws IOException {
    if (!readDisk(at, bytes, session)) {
      return Status.NONE;
    }
    int status = prps.read(guestData);
    if (status != Status.SUCCESS) {
      return status;
    }
    return MemorySegment.mismatch(data, 0, bytes, guestData, 0, bytes) < 0
        ? Status.SUCCESS
        : Status.COMPARE_FAILURE;
  }

  private int writeZeroes(
      MemorySegment command, long at, long bytes, boolean through, Session session)
      throws IOException {
    if ((CommandLayout.dword(command, 12) & DEALLOCATE) != 0 && disk.canDiscard()) {
      disk.discard(at, bytes);
    } else {
      data.fill((byte) 0);
      for (long done = 0; done < bytes; done += Prps.MAX_BYTES) {
        if (session.over) {
          return Status.NONE;
        }
        int piece = (int) Math.min(Prps.MAX_BYTES, bytes - done);
        disk.write(diskBuffer.clear().limit(piece), at + done);
      }
    }
    return through ? flush(session) : Status.SUCCESS;
  }

  /** Waits for the host's disk, which may take seconds; a reset does not wait for that. */
  private int flush(Session session) throws IOException {
    worker.stepOut();
    try {
      disk.flush();
    } finally {
      worker.stepIn();
    }
    return session.isOn() ? Status.SUCCESS : Status.NONE;
  }

  /** Dataset Management (6.7): all ranges are looked at before one is discarded. */
  private int manage(MemorySegment command, Session session) throws IOException {
    int ranges = (CommandLayout.dword(command, 10) & 0xff) + 1;
    int status =
        prps.follow(CommandLayout.prp1(command), CommandLayout.prp2(command), ranges * RANGE_BYTES);
    if (status == Status.SUCCESS) {
      status = prps.read(guestData);
    }
    boolean discard = (CommandLayout.dword(command, 11) & ATTRIBUTE_DEALLOCATE) != 0;
    if (status == Status.SUCCESS && discard && disk.isReadOnly()) {
      status = Status.WRITE_PROTECTED;
    }
    for (int i = 0; i < ranges && status == Status.SUCCESS; i++) {
      if (namespace.isOutOfRange(firstOf(i), blocksOf(i))) {
        status = Status.LBA_OUT_OF_RANGE;
      }
    }
    if (status != Status.SUCCESS || !discard || !disk.canDiscard()) {
      return status; // attributes other than deallocate are advice for a medium that has use for it
    }
    for (int i = 0; i < ranges; i++) {
      if (session.over) {
        return Status.NONE;
      }
      if (blocksOf(i) != 0) {
        disk.discard(namespace.offset(firstOf(i)), namespace.offset(blocksOf(i)));
      }
    }
    return Status.SUCCESS;
  }

  private long blocksOf(int range) {
    return guestData.get(INT, (long) range * RANGE_BYTES + 4) & 0xffff_ffffL;
  }

  private long firstOf(int range) {
    return guestData.get(LONG, (long) range * RANGE_BYTES + 8);
  }
}
