package dev.domus.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.device.contract.SoftwareBus;
import dev.domus.device.contract.SoftwareMemory;

/**
 * A small driver of NVMe controllers, written after the specification and not after the device:
 * register offsets and fields stand here as numbers once more.
 */
final class Driver implements AutoCloseable {
  static final int PAGE = 4096;
  static final int CAP = 0, VS = 8, CC = 0x14, CSTS = 0x1c, AQA = 0x24, ASQ = 0x28, ACQ = 0x30;
  static final int ADMIN_ENTRIES = 8;

  /** CC with EN, and entries of 64 and 16 bytes. */
  static final int ENABLED = 1 | 6 << 16 | 4 << 20;

  static final long ADMIN_SQ = 0x10_0000, ADMIN_CQ = 0x10_1000, DATA = 0x10_2000;
  static final long QUEUES = 0x100_0000;

  final Controller controller;
  final SoftwareBus bus;
  final SoftwareMemory memory;
  Queue admin;

  Driver(Disk disk, int blockOrder, int pairs) {
    controller = new Controller(new Namespace(disk, blockOrder, "serial-1"), pairs);
    bus = new SoftwareBus(controller);
    memory = bus.memory();
    memory.map(ADMIN_SQ, 2);
    memory.map(DATA, 16);
  }

  /** A controller that is on. */
  static Driver enabled(Disk disk, int blockOrder, int pairs) {
    Driver driver = new Driver(disk, blockOrder, pairs);
    driver.enable();
    return driver;
  }

  static Driver enabled() {
    return enabled(new MemoryDisk(1 << 20), 9, 4);
  }

  void enable() {
    memory.put(ADMIN_CQ, new byte[PAGE]);
    bus.store(0, AQA, 4, ADMIN_ENTRIES - 1 | ADMIN_ENTRIES - 1 << 16);
    bus.store(0, ASQ, 8, ADMIN_SQ);
    bus.store(0, ACQ, 8, ADMIN_CQ);
    bus.store(0, CC, 4, ENABLED);
    admin = new Queue(0, ADMIN_SQ, ADMIN_CQ, ADMIN_ENTRIES);
    awaitStatus(1, 1);
  }

  void disable() {
    bus.store(0, CC, 4, ENABLED & ~1);
    awaitStatus(1, 0);
  }

  int csts() {
    return (int) bus.load(0, CSTS, 4);
  }

  void awaitStatus(int mask, int value) {
    bus.await("CSTS & %x = %x".formatted(mask, value), () -> (csts() & mask) == value);
  }

  /** An admin command, done. */
  Completion admin(Command command) {
    return admin.run(command);
  }

  void expect(int status, Command command) {
    Completion completion = admin.run(command);
    assertEquals(
        Integer.toHexString(status), Integer.toHexString(completion.status()), "status field");
  }

  static Command createCq(int id, int entries, long base, int vector) {
    return Command.admin(5)
        .prp(base, 0)
        .dword(10, id | entries - 1 << 16)
        .dword(11, 3 | vector << 16);
  }

  static Command createSq(int id, int entries, long base, int completions) {
    return Command.admin(1)
        .prp(base, 0)
        .dword(10, id | entries - 1 << 16)
        .dword(11, 1 | completions << 16);
  }

  static Command deleteSq(int id) {
    return Command.admin(0).dword(10, id);
  }

  static Command deleteCq(int id) {
    return Command.admin(4).dword(10, id);
  }

  /** A pair of I/O queues. */
  Queue queue(int id, int entries) {
    long sq = QUEUES + (long) id * 0x4_0000;
    long cq = sq + 0x2_0000;
    if (!memory.isMapped(sq)) {
      memory.map(sq, 16);
      memory.map(cq, 4);
    }
    memory.put(cq, new byte[4 * PAGE]); // phases
    expect(Completion.SUCCESS, createCq(id, entries, cq, id));
    expect(Completion.SUCCESS, createSq(id, entries, sq, id));
    return new Queue(id, sq, cq, entries);
  }

  @Override
  public void close() {
    bus.close();
  }

  /** Software's side of a pair of queues with one number. */
  final class Queue {
    final int id;
    final long sq;
    final long cq;
    final int entries;
    int tail;
    int head;
    int phase = 1;
    int nextId;

    Queue(int id, long sq, long cq, int entries) {
      this.id = id;
      this.sq = sq;
      this.cq = cq;
      this.entries = entries;
    }

    /** Puts a command into the queue, without ringing; returns its identifier. */
    int put(Command command) {
      int commandId = nextId++ & 0xffff;
      command.bytes.putShort(2, (short) commandId);
      memory.put(sq + tail * 64L, command.bytes.array());
      tail = (tail + 1) % entries;
      return commandId;
    }

    void ring() {
      ringTail(tail);
    }

    void ringTail(int value) {
      bus.store(0, 0x1000 + id * 8L, 4, value & 0xffff_ffffL);
    }

    void ringHead(int value) {
      bus.store(0, 0x1004 + id * 8L, 4, value & 0xffff_ffffL);
    }

    boolean hasCompletion() {
      return (memory.getInt(cq + head * 16L + 12) >>> 16 & 1) == phase;
    }

    /** The next completion, without telling that it was taken. */
    Completion take() {
      bus.await("a completion of queue " + id, this::hasCompletion);
      return read();
    }

    /** What is where the next completion is to be, now: for who may have overwritten it. */
    Completion read() {
      long at = cq + head * 16L;
      int where = memory.getInt(at + 8);
      int what = memory.getInt(at + 12);
      final Completion completion =
          new Completion(
              memory.getInt(at),
              where & 0xffff,
              where >>> 16,
              what & 0xffff,
              what >>> 17 & 0x7ff,
              what >= 0);
      if (++head == entries) {
        head = 0;
        phase ^= 1;
      }
      return completion;
    }

    /** A command, done. */
    Completion run(Command command) {
      final int commandId = put(command);
      ring();
      Completion completion = take();
      ringHead(head);
      assertEquals(commandId, completion.commandId());
      assertEquals(id, completion.queue());
      return completion;
    }
  }
}
