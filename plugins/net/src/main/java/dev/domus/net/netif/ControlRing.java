package dev.domus.net.netif;

import static dev.domus.net.netif.NetifLayout.*;

import dev.domus.kernel.service.CopyBatch;
import dev.domus.memory.Window;
import java.lang.invoke.VarHandle;

/**
 * The backend's end of a control ring: by it a guest sets up which queue its packets come to
 * ({@link HashSteering}). Keys and mappings come in a page that it grants for the request. Not
 * thread-safe.
 */
public final class ControlRing {
  private static final int GET_HASH_FLAGS = 1,
      SET_HASH_FLAGS = 2,
      SET_HASH_KEY = 3,
      GET_HASH_MAPPING_SIZE = 4,
      SET_HASH_MAPPING_SIZE = 5,
      SET_HASH_MAPPING = 6,
      SET_HASH_ALGORITHM = 7;
  private static final int SUCCESS = 0,
      NOT_SUPPORTED = 1,
      INVALID_PARAMETER = 2,
      BUFFER_OVERFLOW = 3;

  private final Window page;
  private final int domid;
  private final HashSteering steering;
  private final int queues;
  private int cons;
  private int result;

  /**
   * Takes a ring over.
   *
   * @param queues how many queues the guest has
   */
  public ControlRing(Window page, int domid, HashSteering steering, int queues) {
    this.page = page;
    this.domid = domid;
    this.steering = steering;
    this.queues = queues;
    cons = page.getIntAcquire(RSP_PROD);
  }

  /** Answers all requests. Returns whether the guest wants to be told. */
  public boolean serve(Staging staging) throws BadRingException {
    boolean notify = false;
    int waiting;
    while ((waiting = waiting()) > 0) {
      int old = cons;
      for (; waiting > 0; waiting--) {
        answer(SLOTS + (cons & CONTROL_RING - 1) * CONTROL_SLOT, staging);
        cons++;
      }
      notify |= TxRing.publish(page, old, cons);
      page.putIntRelease(REQ_EVENT, cons + 1);
      VarHandle.fullFence();
    }
    return notify;
  }

  private int waiting() throws BadRingException {
    int waiting = page.getIntAcquire(REQ_PROD) - cons;
    if (waiting < 0 || waiting > CONTROL_RING) {
      throw new BadRingException("its control ring has more requests than slots: " + waiting);
    }
    return waiting;
  }

  private void answer(int at, Staging staging) {
    short id = page.getShort(at + CONTROL_ID);
    int type = page.getShort(at + CONTROL_TYPE) & 0xFFFF;
    int first = page.getInt(at + CONTROL_DATA);
    int second = page.getInt(at + CONTROL_DATA + 4);
    int third = page.getInt(at + CONTROL_DATA + 8);
    result = 0;
    int status = carryOut(type, first, second, third, staging);
    page.putShort(at + CONTROL_ID, id);
    page.putShort(at + CONTROL_TYPE, (short) type);
    page.putInt(at + CONTROL_STATUS, status);
    page.putInt(at + CONTROL_RESULT, result);
  }

  private int carryOut(int type, int first, int second, int third, Staging staging) {
    return switch (type) {
      case GET_HASH_FLAGS -> {
        result = HashSteering.ALL_FLAGS;
        yield SUCCESS;
      }
      case SET_HASH_FLAGS -> valid(steering.setFlags(first));
      case SET_HASH_KEY -> setKey(first, second, staging);
      case GET_HASH_MAPPING_SIZE -> {
        result = HashSteering.MAX_MAPPING;
        yield SUCCESS;
      }
      case SET_HASH_MAPPING_SIZE -> valid(steering.setMappingSize(first));
      case SET_HASH_MAPPING -> setMapping(first, second, third, staging);
      case SET_HASH_ALGORITHM -> valid(steering.setAlgorithm(first));
      default -> NOT_SUPPORTED;
    };
  }

  private static int valid(boolean done) {
    return done ? SUCCESS : INVALID_PARAMETER;
  }

  private int setKey(int ref, int length, Staging staging) {
    if (length < 0 || length > HashSteering.MAX_KEY) {
      return BUFFER_OVERFLOW;
    }
    byte[] key = new byte[length];
    if (length > 0 && !fetch(ref, key, staging)) {
      return INVALID_PARAMETER;
    }
    steering.setKey(key);
    return SUCCESS;
  }

  private int setMapping(int ref, int count, int offset, Staging staging) {
    if (count < 0 || count > HashSteering.MAX_MAPPING) {
      return BUFFER_OVERFLOW;
    }
    byte[] bytes = new byte[4 * count];
    if (count > 0 && !fetch(ref, bytes, staging)) {
      return INVALID_PARAMETER;
    }
    int[] mapping = new int[count];
    for (int i = 0; i < count; i++) {
      int at = 4 * i; // little-endian, as all of a guest's
      mapping[i] =
          bytes[at] & 0xFF
              | (bytes[at + 1] & 0xFF) << 8
              | (bytes[at + 2] & 0xFF) << 16
              | bytes[at + 3] << 24;
    }
    return valid(steering.setMapping(offset, mapping, queues));
  }

  /** Copies the beginning of a granted page. Rare: what {@link CopyBatch} is for matters not. */
  private boolean fetch(int ref, byte[] target, Staging staging) {
    staging.clear();
    int place = staging.begin(target.length);
    staging.in(domid, ref, 0, target.length);
    staging.run();
    if (!staging.succeeded(0, staging.copies())) {
      return false;
    }
    staging.read(place, target, target.length);
    return true;
  }
}
