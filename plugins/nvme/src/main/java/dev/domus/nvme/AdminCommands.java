package dev.domus.nvme;

import dev.domus.iommu.DmaPort;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The admin commands (5): done by the admin worker, one after the other. */
final class AdminCommands {
  private static final int DELETE_SQ = 0x00,
      CREATE_SQ = 0x01,
      GET_LOG_PAGE = 0x02,
      DELETE_CQ = 0x04,
      CREATE_CQ = 0x05,
      IDENTIFY = 0x06,
      ABORT = 0x08,
      SET_FEATURES = 0x09,
      GET_FEATURES = 0x0a,
      ASYNC_EVENT = 0x0c;
  private static final int CNS_NAMESPACE = 0,
      CNS_CONTROLLER = 1,
      CNS_ACTIVE = 2,
      CNS_DESCRIPTORS = 3;
  private static final int SAVE = 1 << 31;
  private static final int SELECT_DEFAULT = 1, SELECT_SAVED = 2;
  private static final int RETAIN_EVENT = 1 << 15;
  private static final int CONTIGUOUS = 1, INTERRUPTS = 2;
  private static final int PAGE_MASK = RegisterLayout.PAGE - 1;

  private final Controller controller;
  private final QueueWorker worker;
  private final Namespace namespace;
  private final LogPages logs;
  private final DmaPort dma;
  private final Prps prps;
  private final MemorySegment page = Arena.ofAuto().allocate(Prps.MAX_BYTES, Long.BYTES);
  private int result;

  AdminCommands(
      Controller controller, QueueWorker worker, DmaPort dma, Namespace namespace, LogPages logs) {
    this.controller = controller;
    this.worker = worker;
    this.namespace = namespace;
    this.logs = logs;
    this.dma = dma;
    prps = new Prps(dma);
  }

  /** Double word 0 of the completion of the last command. */
  int result() {
    return result;
  }

  /** Does a command; a status, or {@link Status#NONE} if it has no completion now. */
  int execute(MemorySegment command, Session session) {
    result = 0;
    if (CommandLayout.isFusedOrHasSgl(command)) {
      return Status.INVALID_FIELD;
    }
    return switch (CommandLayout.opcode(command)) {
      case DELETE_SQ -> deleteSubmissionQueue(command, session);
      case CREATE_SQ -> createSubmissionQueue(command, session);
      case GET_LOG_PAGE -> getLogPage(command, session);
      case DELETE_CQ -> deleteCompletionQueue(command, session);
      case CREATE_CQ -> createCompletionQueue(command, session);
      case IDENTIFY -> identify(command);
      case ABORT -> abort(command, session);
      case SET_FEATURES -> setFeatures(command, session);
      case GET_FEATURES -> getFeatures(command, session);
      case ASYNC_EVENT ->
          session.events.request(CommandLayout.commandId(command))
              ? Status.NONE
              : Status.EVENT_REQUEST_LIMIT;
      default -> Status.INVALID_OPCODE;
    };
  }

  // ---- queues (5.3 to 5.6)

  private static int queueId(MemorySegment command) {
    return CommandLayout.dword(command, 10) & 0xffff;
  }

  private static int queueSize(MemorySegment command) {
    return (CommandLayout.dword(command, 10) >>> 16) + 1;
  }

  /** What holds for both kinds of queue. */
  private static int judgeQueue(MemorySegment command, Session session, boolean taken) {
    int id = queueId(command);
    int size = queueSize(command);
    if (id == 0 || id > session.pairs || taken) {
      return Status.INVALID_QUEUE_ID;
    }
    if (size < 2 || size > RegisterLayout.MAX_ENTRIES) {
      return Status.INVALID_QUEUE_SIZE;
    }
    if ((CommandLayout.prp1(command) & PAGE_MASK) != 0) {
      return Status.PRP_OFFSET_INVALID;
    }
    return (CommandLayout.dword(command, 11) & CONTIGUOUS) == 0
        ? Status.INVALID_FIELD
        : Status.SUCCESS;
  }

  private int createCompletionQueue(MemorySegment command, Session session) {
    int id = queueId(command);
    int status = judgeQueue(command, session, session.completion(id) != null);
    if (status != Status.SUCCESS) {
      return status;
    }
    if (RegisterLayout.completionEntryOrder(controller.cc()) != CommandLayout.COMPLETION_ORDER) {
      return Status.INVALID_FIELD;
    }
    int flags = CommandLayout.dword(command, 11);
    int vector = flags >>> 16;
    if (vector > session.pairs) {
      return Status.INVALID_VECTOR;
    }
    session.add(
        new CompletionQueue(
            id,
            CommandLayout.prp1(command),
            queueSize(command),
            (flags & INTERRUPTS) != 0 ? vector : -1));
    return Status.SUCCESS;
  }

  private int createSubmissionQueue(MemorySegment command, Session session) {
    int id = queueId(command);
    int status = judgeQueue(command, session, session.submission(id) != null);
    if (status != Status.SUCCESS) {
      return status;
    }
    if (RegisterLayout.submissionEntryOrder(controller.cc()) != CommandLayout.COMMAND_ORDER) {
      return Status.INVALID_FIELD;
    }
    int completionId = CommandLayout.dword(command, 11) >>> 16;
    if (completionId > session.pairs) {
      return Status.INVALID_QUEUE_ID;
    }
    CompletionQueue completions = session.completion(completionId);
    if (completionId == 0 || completions == null) {
      return Status.COMPLETION_QUEUE_INVALID;
    }
    session.add(
        new SubmissionQueue(id, CommandLayout.prp1(command), queueSize(command), completions));
    return Status.SUCCESS;
  }

  /** The queue's worker aborts what is left in it; this one waits for that, or for a reset. */
  private int deleteSubmissionQueue(MemorySegment command, Session session) {
    int id = queueId(command);
    SubmissionQueue queue = session.submission(id);
    if (id == 0 || queue == null) {
      return Status.INVALID_QUEUE_ID;
    }
    queue.deleting = true;
    controller.wake(queue.completions.id);
    worker.stepOut();
    controller.awaitGone(queue, session);
    worker.stepIn();
    if (!session.isOn() || !queue.gone) {
      return Status.NONE;
    }
    session.remove(queue);
    return Status.SUCCESS;
  }

  private static int deleteCompletionQueue(MemorySegment command, Session session) {
    int id = queueId(command);
    CompletionQueue queue = session.completion(id);
    if (id == 0 || queue == null) {
      return Status.INVALID_QUEUE_ID;
    }
    if (queue.submitters.length != 0) {
      return Status.INVALID_QUEUE_DELETION;
    }
    session.remove(queue);
    return Status.SUCCESS;
  }

  // ---- data for software (5.14, 5.15)

  private int send(MemorySegment command, int bytes) {
    int status = prps.follow(CommandLayout.prp1(command), CommandLayout.prp2(command), bytes);
    return status == Status.SUCCESS ? prps.write(page) : status;
  }

  private int identify(MemorySegment command) {
    int id = CommandLayout.namespace(command);
    page.asSlice(0, IdentifyLayout.BYTES).fill((byte) 0);
    switch (CommandLayout.dword(command, 10) & 0xff) {
      case CNS_NAMESPACE -> {
        if (id != Namespace.ID) {
          return Status.INVALID_NAMESPACE;
        }
        IdentifyLayout.namespace(page, namespace);
      }
      case CNS_CONTROLLER -> IdentifyLayout.controller(page, namespace);
      case CNS_ACTIVE -> {
        if (Integer.compareUnsigned(id, -2) >= 0) {
          return Status.INVALID_NAMESPACE;
        }
        IdentifyLayout.activeNamespaces(page, id);
      }
      case CNS_DESCRIPTORS -> {
        if (id != Namespace.ID) {
          return Status.INVALID_NAMESPACE;
        }
        IdentifyLayout.descriptors(page, namespace);
      }
      default -> {
        return Status.INVALID_FIELD;
      }
    }
    return send(command, IdentifyLayout.BYTES);
  }

  private int getLogPage(MemorySegment command, Session session) {
    int what = CommandLayout.dword(command, 10);
    int id = what & 0xff;
    int size = LogPages.bytes(id);
    if (size == 0) {
      return Status.INVALID_LOG_PAGE;
    }
    int target = CommandLayout.namespace(command);
    if (target != 0 && target != CommandLayout.ALL_NAMESPACES) {
      return Status.INVALID_FIELD; // log pages of single namespaces: LPA says that there are none
    }
    long words = (what >>> 16 | (long) (CommandLayout.dword(command, 11) & 0xffff) << 16) + 1;
    long offset =
        CommandLayout.dword(command, 12) & 0xffff_ffffL
            | (long) CommandLayout.dword(command, 13) << 32;
    long bytes = words * Integer.BYTES;
    if (bytes > Prps.MAX_BYTES - size
        || (offset & 3) != 0
        || Long.compareUnsigned(offset, size) > 0) {
      return Status.INVALID_FIELD;
    }
    page.asSlice(0, size + bytes).fill((byte) 0);
    logs.write(id, page, session.features);
    if (offset != 0) { // what is read behind the end of the page is zero
      MemorySegment.copy(page, offset, page, 0, bytes);
    }
    int status = send(command, (int) bytes);
    if (status == Status.SUCCESS && (what & RETAIN_EVENT) == 0 && id != LogPages.FIRMWARE) {
      session.events.read(id == LogPages.ERROR ? AsyncEvents.ERROR : AsyncEvents.SMART);
    }
    return status;
  }

  // ---- features (5.13, 5.21)

  private static int setFeatures(MemorySegment command, Session session) {
    int what = CommandLayout.dword(command, 10);
    if (!Features.exists(what & 0xff)) {
      return Status.INVALID_FIELD;
    }
    if ((what & SAVE) != 0) {
      return Status.FEATURE_NOT_SAVEABLE;
    }
    return session.features.set(what & 0xff, CommandLayout.dword(command, 11), session);
  }

  private int getFeatures(MemorySegment command, Session session) {
    int what = CommandLayout.dword(command, 10);
    int select = what >>> 8 & 7;
    if (!Features.exists(what & 0xff) || select > SELECT_SAVED) {
      return Status.INVALID_FIELD;
    }
    int value =
        session.features.get(
            what & 0xff,
            CommandLayout.dword(command, 11),
            select == SELECT_DEFAULT || select == SELECT_SAVED);
    if (value == Status.NONE && (what & 0xff) == Features.INTERRUPT_VECTOR) {
      return Status.INVALID_FIELD;
    }
    result = value;
    return Status.SUCCESS;
  }

  // ---- abort (5.1)

  /**
   * Commands are done as they are fetched; only event requests wait so long that they can be
   * aborted.
   */
  private int abort(MemorySegment command, Session session) {
    int what = CommandLayout.dword(command, 10);
    int id = what >>> 16;
    result = 1;
    CompletionQueue to = session.completion(0);
    if ((what & 0xffff) == 0 && to.hasRoomForTwo() && session.events.abort(id)) {
      if (!to.post(dma, 0, session.submission(0), id, Status.ABORT_REQUESTED)) {
        controller.fatal(session);
        return Status.NONE;
      }
      result = 0;
    }
    return Status.SUCCESS;
  }
}
